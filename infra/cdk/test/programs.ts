import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { FUNCTIONS } from "../lib";

/** A folder of programs as `make build` fills it, without building. */
export function programs() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afferent-cdk-"));
  return {
    /** The folder, with this text in the place of each program. */
    with(text: string): string {
      for (const name of FUNCTIONS) {
        fs.mkdirSync(path.join(folder, name), { recursive: true });
        fs.writeFileSync(path.join(folder, name, "bootstrap"), text);
      }
      return folder;
    },
    remove(): void {
      fs.rmSync(folder, { recursive: true });
    },
  };
}
