// The documented receiver on real requests. Reads them from standard input, prints what became of them.

import { readFileSync } from "node:fs";
import { Inbox } from "./snippet-receiver.mjs";

const { secret, requests, revisions } = JSON.parse(readFileSync(0, "utf8"));
const inbox = new Inbox(secret);
const text = ({ body }) => Buffer.from(body, "base64").toString();

const statuses = [...requests, ...requests].map((one) => inbox.receive(one.headers, text(one)));
const forged = inbox.receive(requests[0].headers, `${text(requests[0])} `);
const seen = inbox.seen.size;
revisions.forEach((event) => inbox.take(event));
const { rev } = inbox.records.get(revisions[0].data.record.record);
console.log(JSON.stringify({ statuses, forged, seen, rev }));
