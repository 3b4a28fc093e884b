/** An application to the sandbox city, for both ways of sending it. */
import { randomUUID } from "node:crypto";

import type { DecideRequest, Party, PrefillRequest } from "./contract.ts";

/** What a portal has to know before it can ask; `apply.ts` reads it from its arguments. */
export interface Applicant {
  matter: string;
  idNumber: string;
}

/** A request to fill the form. The person has logged in and agreed just now. */
export function prefillRequest({ matter, idNumber }: Applicant): PrefillRequest {
  const now = new Date().toISOString();
  const person: Party = {
    role: "applicant",
    documents: [{ kind: "resident_id", number: idNumber }],
  };
  return {
    matter,
    requestId: randomUUID(),
    channel: "portal",
    parties: [person],
    authority: {
      person,
      assuranceLevel: "ASSURANCE_LEVEL_HIGH",
      authenticationTime: now,
      consent: {
        noticeVersion: "2026-01",
        time: now,
        evidenceTypes: ["population_register", "death_register", "payment_ledger"],
      },
    },
  };
}

/** The application itself, with what the person has filled in. */
export function decideRequest(applicant: Applicant, caseId: string): DecideRequest {
  return {
    ...prefillRequest(applicant),
    caseId,
    answers: {
      "applicant.mobile": { text: "13800000000" },
      "applicant.truthful": { boolean: true },
    },
  };
}
