/** `--where`, of every list that conditions choose from. */
export const WHERE_FLAG = {
  type: "string",
  valueHint: "CONDITION",
  multiple: true,
  description: "only where it holds, such as 'metrics.rmse < 0.2'; all must hold",
} as const;
