/** The BLAKE3 add-on's file, inside the binary; package.json `imports` says which for which platform. */
declare module "#blake-addon" {
  const path: string;
  export default path;
}
