/** The word by which this program is called to read files ahead for a run. Nobody else has a use for it. */
export const READER_WORD = "--read-ahead";
