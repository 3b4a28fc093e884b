/**
 * The same over gRPC, with `@grpc/grpc-js` and the contract as it is published:
 *
 *     npm ci
 *     MIAOPI_ADDRESS=127.0.0.1:50051 MIAOPI_TOKEN=… npm run apply:grpc -- 990000193012010023
 */
import { fileURLToPath } from "node:url";

import {
  credentials,
  loadPackageDefinition,
  Metadata,
  status,
  type ClientReadableStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { decideRequest, prefillRequest } from "./application.ts";
import type { DecideResponse, PrefillResponse } from "./contract.ts";
import { outcome } from "./miaopi.ts";

const { MIAOPI_ADDRESS = "127.0.0.1:50051", MIAOPI_TOKEN = "", MIAOPI_PROTO } = process.env;
const [idNumber = "", matter = "old_age_allowance"] = process.argv.slice(2);

const root = MIAOPI_PROTO ?? fileURLToPath(new URL("../../..", import.meta.url));
const files = ["prefill", "decision"].map((name) => `decision_service/v1/${name}.proto`);
const contract = loadPackageDefinition(
  loadSync(files, {
    includeDirs: [`${root}/proto`, `${root}/third_party`],
    enums: String,
    longs: String,
    bytes: String,
  }),
) as unknown as {
  decision_service: { v1: Record<"PrefillService" | "DecisionService", typeof AnyClient> };
};

/** The clients that gRPC makes of the contract, as far as they are used here. */
declare class AnyClient {
  constructor(address: string, credentials: unknown);
  prefill(request: object, metadata: Metadata, options: object): ClientReadableStream<PrefillResponse>;
  decide(
    request: object,
    metadata: Metadata,
    options: object,
    done: (error: ServiceError | null, response: DecideResponse) => void,
  ): void;
  close(): void;
}

const metadata = new Metadata();
metadata.set("authorization", `Bearer ${MIAOPI_TOKEN}`);
const options = () => ({ deadline: Date.now() + 10_000 });
const { PrefillService, DecisionService } = contract.decision_service.v1;
const prefills = new PrefillService(MIAOPI_ADDRESS, credentials.createInsecure());
const decisions = new DecisionService(MIAOPI_ADDRESS, credentials.createInsecure());

try {
  let caseId = "";
  const asked = onGrpc(prefillRequest({ matter, idNumber }));
  for await (const message of prefills.prefill(asked, metadata, options())) {
    const { started, evidence, completed } = message as PrefillResponse;
    if (started) caseId = started.caseId ?? "";
    if (evidence) tell("evidence", evidence.evidence?.evidenceType, evidence.evidence?.status);
    for (const field of completed?.fields ?? []) tell("field", field.key, field.display?.zh);
  }
  const { decision } = await new Promise<DecideResponse>((resolve, reject) => {
    const request = onGrpc(decideRequest({ matter, idNumber }, caseId));
    decisions.decide(request, metadata, options(), (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
  tell("decision", decision && outcome(decision), decision?.notice?.zh);
  tell("receipt", decision?.caseNumber, decision?.receipt?.index ?? "0");
} catch (error) {
  const { code, details } = error as ServiceError;
  tell("error", status[code], details);
  process.exitCode = 1;
} finally {
  prefills.close();
  decisions.close();
}

/** An instant is a text in JSON, and a message in protobuf. */
function onGrpc(request: object): object {
  return JSON.parse(JSON.stringify(request), (key, value: unknown) =>
    typeof value === "string" && /[tT]ime$/.test(key)
      ? { seconds: Math.floor(Date.parse(value) / 1_000), nanos: 0 }
      : value,
  ) as object;
}

function tell(...words: unknown[]): void {
  console.log(JSON.stringify(words));
}
