import type { Database } from "bun:sqlite";

/** An upload in parts that was begun and not ended. */
export interface UploadRow {
  seq: number;
  delivery: number;
  path: string;
  place: string;
  digest: string;
  size: number;
  part_size: number;
  upload_id: string;
  expires_at: number | null;
}

/** Takes the place of an earlier one for the same path, whose parts are forgotten. Returns its seq. */
export function begin(db: Database, upload: Omit<UploadRow, "seq">): number {
  forget(db, upload.delivery, upload.path);
  const { lastInsertRowid } = db
    .query("INSERT INTO uploads (delivery, path, place, digest, size, part_size, upload_id, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    .run(upload.delivery, upload.path, upload.place, upload.digest, upload.size, upload.part_size, upload.upload_id, upload.expires_at);
  return Number(lastInsertRowid);
}

export function arrived(db: Database, upload: number, part: number, etag: string): void {
  db.query("INSERT INTO upload_parts (upload, part, etag) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET etag = excluded.etag").run(
    upload,
    part,
    etag,
  );
}

/** The etags of the parts that arrived, by number. */
export function parts(db: Database, upload: number): Map<number, string> {
  return new Map(
    db
      .query<{ part: number; etag: string }, [number]>("SELECT part, etag FROM upload_parts WHERE upload = ? ORDER BY part")
      .all(upload)
      .map(({ part, etag }) => [part, etag]),
  );
}

export function ofPath(db: Database, delivery: number, path: string): UploadRow | null {
  return db.query<UploadRow, [number, string]>("SELECT * FROM uploads WHERE delivery = ? AND path = ?").get(delivery, path);
}

export function ofDelivery(db: Database, delivery: number): UploadRow[] {
  return db.query<UploadRow, [number]>("SELECT * FROM uploads WHERE delivery = ? ORDER BY seq").all(delivery);
}

export function forget(db: Database, delivery: number, path: string): void {
  db.query("DELETE FROM uploads WHERE delivery = ? AND path = ?").run(delivery, path);
}
