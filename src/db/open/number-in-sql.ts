/** What `String.prototype.trim` takes away. */
const BLANKS = `char(9, 10, 11, 12, 13, 32, 160, 5760, ${Array.from({ length: 11 }, (_, nth) => 8192 + nth).join(", ")}, 8232, 8233, 8239, 8287, 12288, 65279)`;

/** At the end of a subquery: its columns are computed once a row. SQLite would put their expressions wherever they are read. */
export const ONCE = "LIMIT -1 OFFSET 0";

/**
 * SQL for the number that a text spells, as `parseNumber` of the domain reads it: REAL, 'NaN' for not-a-number (which SQLite cannot hold), NULL for a
 * text that is no number. SQLite's own CAST would take the 3 of `3rd`. `x` is a column's name, or another expression that costs nothing to read twice.
 */
export function numberOf(x: string): string {
  return `CASE
    WHEN ${x} NOT GLOB '*[^0-9.]*' AND ${x} GLOB '*[0-9]*' AND ${x} NOT GLOB '*.*.*' THEN CAST(${x} AS REAL)
    WHEN ${x} NOT GLOB '*[0-9]*' AND ${x} NOT LIKE '%nan%' AND ${x} NOT LIKE '%inf%' THEN NULL
    ELSE (SELECT CASE
        WHEN m GLOB '*[0-9]*' AND m NOT GLOB '*[^0-9.]*' AND m NOT GLOB '*.*.*' AND p GLOB '*[0-9]*' AND p NOT GLOB '*[^0-9]*' THEN CAST(s AS REAL)
        WHEN b = 'nan' THEN 'NaN'
        WHEN b IN ('inf', 'infinity') THEN iif(s GLOB '-*', -9e999, 9e999) END
      FROM (SELECT s, b, iif(e = 0, b, substr(b, 1, e - 1)) AS m, iif(e = 0, '0', ${unsigned("substr(b, e + 1)")}) AS p
        FROM (SELECT s, b, instr(b, 'e') AS e FROM (SELECT s, ${unsigned("s")} AS b FROM (SELECT lower(trim(${x}, ${BLANKS})) AS s ${ONCE}) ${ONCE}))))
    END`;
}

function unsigned(text: string): string {
  return `iif(substr(${text}, 1, 1) IN ('+', '-'), substr(${text}, 2), ${text})`;
}
