/** How a file came to be where MLflow looks for it: by what the server, or a disk that both see, has open. The outbox and reports keep it. */
export type Arrival =
  /** Through the server. */
  | "put"
  /** In parts to a storage, at addresses that the server signed. */
  | "parts"
  /** To S3 with keys of our own. */
  | "s3"
  /** Whole, to an address that the server signed. */
  | "presigned"
  /** By the route of MLflow's own pages. */
  | "small"
  /** On a disk that both see. */
  | "clone"
  | "link"
  | "copy"
  /** An earlier try had brought it. */
  | "there";
