/**
 * Miaopi from a browser, a mini-program or Node: JSON over HTTP, and nothing but `fetch`.
 *
 * The wire is the Connect protocol, so `@connectrpc/connect-web` works as well; this file is for
 * who wants to see everything. The types in `contract.ts` are generated from the contract.
 */
import type {
  DecideRequest,
  DecideResponse,
  Decision,
  PrefillRequest,
  PrefillResponse,
} from "./contract.ts";

/** One field of a request that is wrong. */
export interface FieldViolation {
  /** Where, e.g. `answers["applicant.mobile"]`. */
  field: string;
  /** For programs, e.g. `MALFORMED`. */
  reason: string;
  /** In English. */
  description: string;
  /** In Chinese, to be shown beside the field. */
  localizedMessage?: { locale: string; message: string };
}

/** The service said no, or could not be reached. Show `zh` to people; act on `code` and `reason`. */
export class MiaopiError extends Error {
  /** The canonical code, e.g. `invalid_argument`; `unavailable` where nobody answered. */
  readonly code: string;
  /** Why, e.g. `REQUEST_INVALID`. */
  readonly reason: string;
  /** What went wrong and what to do, in Chinese. */
  readonly zh: string;
  /** What to do, in English. */
  readonly hint: string;
  /** Every field that is wrong. */
  readonly fields: readonly FieldViolation[];

  constructor(error: WireError) {
    super(error.message ?? error.code);
    const info = detail(error, "google.rpc.ErrorInfo");
    this.code = error.code;
    this.reason = info.reason ?? "";
    this.hint = info.metadata?.hint ?? "";
    this.zh = detail(error, "google.rpc.LocalizedMessage").message ?? this.message;
    this.fields = detail(error, "google.rpc.BadRequest").fieldViolations ?? [];
  }

  /** Whether to repeat the call, unchanged and with the same `requestId`: nothing was done twice. */
  get isWorthRepeating(): boolean {
    return this.code === "unavailable" || this.code === "resource_exhausted";
  }
}

/** A client of one service, in one role. */
export class Miaopi {
  readonly #address: string;
  readonly #token: () => string | Promise<string>;
  readonly #timeoutMs: number;

  /**
   * @param address Where the service is, e.g. `https://miaopi.example:50052`.
   * @param token Gives the caller's token, a fresh one when the last has expired.
   * @param timeoutMs How long one call may take; above the matter's `minimumDeadline`.
   */
  constructor(address: string, token: () => string | Promise<string>, timeoutMs = 10_000) {
    this.#address = address.replace(/\/$/, "");
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  /** Fills a form: yields the beginning, each register's answer as it comes, and the whole. */
  async *prefill(request: PrefillRequest): AsyncGenerator<PrefillResponse, void> {
    const body = envelope(new TextEncoder().encode(JSON.stringify(request)));
    const response = await this.#post("PrefillService/Prefill", "application/connect+json", body);
    if (response.body === null) throw new MiaopiError({ code: "unavailable" });
    const stream = new Envelopes<PrefillResponse>();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      yield* stream.push(chunk);
    }
    stream.finish();
  }

  /** Decides an application; the same `requestId` gets the same decision again. */
  async decide(request: DecideRequest): Promise<Decision> {
    const body = JSON.stringify(request);
    const response = await this.#post("DecisionService/Decide", "application/json", body);
    const { decision } = (await response.json()) as DecideResponse;
    if (decision === undefined) throw new MiaopiError({ code: "internal" });
    return decision;
  }

  async #post(method: string, contentType: string, body: BodyInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.#address}/decision_service.v1.${method}`, {
        method: "POST",
        body,
        headers: {
          authorization: `Bearer ${await this.#token()}`,
          "content-type": contentType,
          "connect-protocol-version": "1",
          "connect-timeout-ms": String(this.#timeoutMs),
        },
        signal: AbortSignal.timeout(this.#timeoutMs + 1_000),
      });
    } catch (cause) {
      throw new MiaopiError({ code: "unavailable", message: String(cause) });
    }
    if (response.ok) return response;
    throw new MiaopiError((await response.json().catch(() => ({ code: "unknown" }))) as WireError);
  }
}

/** What became of an application: the name of its outcome. */
export type Outcome = "approved" | "refused" | "referred" | "needsCorrection" | "waiting";

/** The outcome of a decision; undefined for one that a later version of the service knows. */
export function outcome(decision: Decision): Outcome | undefined {
  const all: Outcome[] = ["approved", "refused", "referred", "needsCorrection", "waiting"];
  return all.find((one) => decision[one] !== undefined);
}

/**
 * The messages of a stream, taken apart as the bytes come. In a WeChat mini-program push what
 * `onChunkReceived` of `wx.request({ enableChunked: true, … })` brings.
 */
export class Envelopes<Message> {
  #rest = new Uint8Array();
  #hasEnded = false;

  /** Takes some bytes in, and gives the messages that are complete now. */
  *push(chunk: Uint8Array): Generator<Message, void> {
    const held = new Uint8Array(this.#rest.length + chunk.length);
    held.set(this.#rest);
    held.set(chunk, this.#rest.length);
    this.#rest = held;
    while (this.#rest.length >= 5) {
      const view = new DataView(this.#rest.buffer, this.#rest.byteOffset);
      const [flags, end] = [view.getUint8(0), 5 + view.getUint32(1)];
      if (this.#rest.length < end) return;
      const document: unknown = JSON.parse(new TextDecoder().decode(this.#rest.subarray(5, end)));
      this.#rest = this.#rest.subarray(end);
      if ((flags & 2) === 0) yield document as Message;
      else this.#end((document as { error?: WireError }).error);
    }
  }

  /** Throws if the stream broke off: then nobody knows what the rest would have been. */
  finish(): void {
    if (!this.#hasEnded) throw new MiaopiError({ code: "unavailable", message: "broken off" });
  }

  #end(error: WireError | undefined): void {
    this.#hasEnded = true;
    if (error !== undefined) throw new MiaopiError(error);
  }
}

function envelope(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(5 + message.length);
  new DataView(whole.buffer).setUint32(1, message.length);
  whole.set(message, 5);
  return whole;
}

interface Detail {
  reason?: string;
  metadata?: Record<string, string>;
  message?: string;
  fieldViolations?: FieldViolation[];
}

interface WireError {
  code: string;
  message?: string;
  details?: { type: string; debug?: Detail }[];
}

function detail(error: WireError, type: string): Detail {
  return error.details?.find((one) => one.type === type)?.debug ?? {};
}
