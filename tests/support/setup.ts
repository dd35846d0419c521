// Loaded once before all tests (bunfig.toml), so that this runs after the last one.
import { afterAll } from "bun:test";
import { removeHome } from "./coffer.ts";

afterAll(removeHome);
