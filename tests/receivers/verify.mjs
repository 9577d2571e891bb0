// Verifies requests with the libraries that receivers in Node use. Reads {"cases": [...]} from standard input, and
// prints for each case and library whether the library took it.

import { readFileSync } from "node:fs";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const libraries = { standardwebhooks: StandardWebhook, svix: SvixWebhook };
const { cases } = JSON.parse(readFileSync(0, "utf8"));

function takes(Webhook, { secret, headers, body, now }) {
  Date.now = () => now * 1000;
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    return true;
  } catch (error) {
    if (error.name === "WebhookVerificationError") return false;
    throw error;
  }
}

const verdicts = cases.flatMap((one) =>
  Object.entries(libraries).map(([library, Webhook]) => ({ library, name: one.name, taken: takes(Webhook, one) })),
);
console.log(JSON.stringify(verdicts));
