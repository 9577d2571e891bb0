// The documented replay on a real journal. Prints the ids of the events.

import { readFileSync } from "node:fs";
import { eventsAfter } from "./snippet-replay.mjs";

const { api, key, user, after } = JSON.parse(readFileSync(0, "utf8"));
const ids = [];
for await (const event of eventsAfter(api, key, user, after)) ids.push(event.id);
console.log(JSON.stringify(ids));
