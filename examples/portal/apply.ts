/**
 * Fills a form and decides, over JSON. For the sandbox city of `make run`:
 *
 *     npm ci
 *     MIAOPI_URL=http://127.0.0.1:50052 MIAOPI_TOKEN=… npm run apply -- 990000193012010023
 *
 * Prints one JSON object a line; ends with 1 if the service said no.
 */
import { decideRequest, prefillRequest } from "./application.ts";
import { Miaopi, MiaopiError, outcome } from "./miaopi.ts";

const { MIAOPI_URL = "http://127.0.0.1:50052", MIAOPI_TOKEN = "" } = process.env;
const [idNumber = "", matter = "old_age_allowance"] = process.argv.slice(2);

try {
  const miaopi = new Miaopi(MIAOPI_URL, () => MIAOPI_TOKEN);
  let caseId = "";
  for await (const { started, evidence, completed } of miaopi.prefill(
    prefillRequest({ matter, idNumber }),
  )) {
    if (started) caseId = started.caseId ?? "";
    if (evidence) tell("evidence", evidence.evidence?.evidenceType, evidence.evidence?.status);
    for (const field of completed?.fields ?? []) tell("field", field.key, field.display?.zh);
  }
  const decision = await miaopi.decide(decideRequest({ matter, idNumber }, caseId));
  tell("decision", outcome(decision), decision.notice?.zh);
  tell("receipt", decision.caseNumber, decision.receipt?.index ?? "0");
} catch (error) {
  if (!(error instanceof MiaopiError)) throw error;
  tell("error", error.code, error.reason, error.zh, error.fields);
  process.exitCode = 1;
}

function tell(...words: unknown[]): void {
  console.log(JSON.stringify(words));
}
