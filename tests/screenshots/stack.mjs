// A local stack: the real programs, everything on 127.0.0.1.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

/** Starts a stack with a sample person to whom nothing has happened yet; its addresses and a key. */
export async function start(program) {
  // No variables of the person who runs this: no credentials, no other Withings.
  const child = spawn(program, ["run", "--quiet", "--bare"], { env: {}, stdio: ["ignore", "pipe", "inherit"] });
  const said = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line.includes("Ctrl-C")) break;
  }
  // What it goes on to say must not fill the pipe.
  child.stdout.resume();
  const address = (of) => said.find((line) => line.startsWith(of))?.match(/http:\/\/\S+/)?.[0];
  const key = said.join("\n").match(/Bearer (afk_\w+)/)?.[1];
  const stack = { front: address("front door"), withings: address("Withings"), tables: address("DynamoDB"), key };
  if (!stack.front || !stack.withings || !stack.tables || !key) {
    child.kill();
    throw new Error(`the stack did not start: ${said.join("\n")}`);
  }
  const stop = () => new Promise((ended) => (child.once("exit", ended), child.kill("SIGINT")));
  return { ...stack, stop };
}

/** Changes the simulated Withings. */
export async function settings(stack, change) {
  const answer = await fetch(`${stack.withings}/control/settings`, { method: "PATCH", body: JSON.stringify(change) });
  if (!answer.ok) throw new Error(`settings: ${answer.status}`);
}

/** A link for a person. */
export async function link(stack, reference) {
  const answer = await fetch(`${stack.front}/v1/link`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.key}` },
    body: JSON.stringify({ reference_id: reference }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`a link: ${answer.status} ${said.detail}`);
  return said.link_url;
}

/** Lets the hour of a link be over: what its item says of its end is moved to a minute ago. */
export async function age(stack, url) {
  const token = url.slice(url.lastIndexOf("/") + 1);
  const hash = createHash("sha256").update(token).digest("hex");
  const answer = await fetch(stack.tables, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "DynamoDB_20120810.UpdateItem",
      // Any key will do here, and one there must be.
      authorization: "AWS4-HMAC-SHA256 Credential=local/20261122/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    },
    body: JSON.stringify({
      TableName: "afferent-connections",
      Key: { owner: { S: `link#${hash}` }, item: { S: "link" } },
      UpdateExpression: "SET dies_ms = :past",
      ConditionExpression: "attribute_exists(dies_ms)",
      ExpressionAttributeValues: { ":past": { N: String(Date.now() - 60_000) } },
    }),
  });
  if (!answer.ok) throw new Error(`a link could not be aged: ${answer.status} ${await answer.text()}`);
}
