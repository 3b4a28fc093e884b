// Generated from proto/ by `make proto`; do not edit.

/** An instant, e.g. `2026-01-02T03:04:05Z`. */
export type Timestamp = string;
/** Seconds, e.g. `1.5s`. */
export type Duration = string;
/** A whole number that may be larger than JavaScript counts to. */
export type Int64 = string;
/** Bytes. */
export type Base64 = string;
/** A civil day. */
export interface Day {
  year: number;
  month: number;
  day: number;
}

/** What a caller is, as its token's `role` claim says; one token has one role. */
export type Role = "ROLE_PORTAL" | "ROLE_CLERK" | "ROLE_AUDITOR" | "ROLE_POLICY_AUTHOR" | "ROLE_POLICY_APPROVER" | "ROLE_OPERATOR" | "ROLE_DATA_PROTECTION_OFFICER";

/** The same words in both languages of the city. */
export interface Text {
  /** In Chinese. */
  zh?: string;
  /** In English. */
  en?: string;
}

/**
 * A value of an information concept or a form field. There is no float and no null: a number is
 * a decimal string, and what is not known is told apart from every value.
 */
export interface Value {
  /** Yes or no. */
  boolean?: boolean;
  /**
   * An exact decimal with exactly as many digits after the point as the concept's scale,
   * e.g. `200.00`; no exponent, no thousands separator.
   */
  number?: string;
  /** A civil day; year, month and day are all set. */
  date?: Day;
  /** The code of an option, e.g. `shenzhen`. */
  option?: string;
  /** Free text, at most 2,000 characters. */
  text?: string;
}

/** An identity document; a person or a firm is a set of them. */
export interface Document {
  /** `resident_id` (GB 11643), `organisation_code` (GB 32100), `travel_permit`, `passport`, … */
  kind: string;
  /** The number as printed, without blanks. */
  number: string;
}

/** Somebody who takes part in an application, in a role. */
export interface Party {
  /** `applicant`, `organisation`, `agent`, `guardian` or `household_member`. */
  role: string;
  /** At least one. The first identifies the party in the record. */
  documents: Document[];
}

/** The person allowed these evidence types to be asked (PIPL Articles 13 and 14). */
export interface Consent {
  /** Version of the notice that the person was shown, e.g. `2026-01`. */
  noticeVersion: string;
  /** When the person agreed. */
  time: Timestamp;
  /**
   * Evidence types that may be asked. One of the matter's plan that is missing here is not
   * asked, and what it would have told stays unknown.
   */
  evidenceTypes?: string[];
}

/** The law itself allows the questions (PIPL Article 13(1)(3)). */
export interface StatutoryDuty {
  /**
   * The article, e.g. `深民规〔2019〕2号 第五条`. It begins with a law of the matter
   * (`Matter.legal_resources`): nobody asks by a law that says nothing of it.
   */
  article: string;
}

/** Who stands behind a request, how surely, and what allows registers to be asked. */
export interface Authority {
  /**
   * The person who authenticated: the applicant, or who acts for the applicant. Then the role is
   * `agent` or `guardian`, and the same is a party of that role in `parties`.
   */
  person: Party;
  /** How surely. Below the matter's level the request is PERMISSION_DENIED. */
  assuranceLevel: AssuranceLevel;
  /** When the person authenticated. */
  authenticationTime: Timestamp;
  /** Role of the party that the person acts for: `applicant`; empty if the person is the applicant. */
  agentFor?: string;
  /** The person agreed. */
  consent?: Consent;
  /** The law allows it. */
  statutoryDuty?: StatutoryDuty;
}

/** Which register was asked, and what became of the question. */
export interface EvidenceSummary {
  /** The register's key, e.g. `population_register`. */
  evidenceType?: string;
  /** Who answered. */
  provider?: Text;
  /** What it answered. */
  status?: EvidenceStatus;
  /** The instant for which the register vouches; unset if it did not say. */
  asOfTime?: Timestamp;
  /** When the answer was complete here. */
  retrieveTime?: Timestamp;
  /** The question's id, the same in the register's own log. */
  queryId?: string;
  /** How the answer came to us. */
  freshness?: Freshness;
}

/** What one register says of a concept. */
export interface Claim {
  /** The register's key. */
  evidenceType?: string;
  /** The register's name. */
  name?: Text;
  /** Its value in words, with the unit or the option's name. */
  display?: Text;
}

/**
 * Registers that say different things of one concept. None of them is believed: the concept is
 * not known, a person decides, and the owner of the authoritative register is asked to check.
 */
export interface Contradiction {
  /** The concept. */
  concept?: string;
  /** Its name. */
  name?: Text;
  /** Who keeps the authoritative register. */
  owner?: Text;
  /** What each says, at least two; the authoritative register's is the first. */
  claims?: Claim[];
  /** In a decision: that the owner was asked to check, and what came of it. Not set in prefill. */
  check?: RecordCheck;
}

/** That the owner of a register was asked to check a record, and what came of it. */
export interface RecordCheck {
  /** Number of the request. */
  ticket?: string;
  /** When the owner said that the record stands; not set while they have not answered. */
  answerTime?: Timestamp;
  /** What they found; empty until then. */
  text?: string;
}

/** Where in the law a requirement comes from. */
export interface LegalBasis {
  /** Number in the rule file, e.g. `L1`. */
  number?: string;
  /** The instrument, e.g. `深民规〔2019〕2号`. */
  instrument?: string;
  /** The article. */
  article?: string;
}

/** A fact that a requirement rests on, as the applicant may see it. */
export interface Used {
  /** The concept or the derived value. */
  concept?: string;
  /** Its name. */
  name?: Text;
  /** Its value with the unit, in words; empty if it is not known. */
  value?: Text;
  /** Who vouches for it: an evidence type, `declared`, `service` or `derived`. */
  source?: string;
  /** Why it is not known, e.g. `UNAVAILABLE`; empty if it is known. */
  why?: string;
}

/** Why an outcome is what it is: condition, value, source, law, result. */
export interface Reason {
  /** UPPER_SNAKE_CASE, e.g. `REQUIREMENT_NOT_MET`. */
  code?: string;
  /** The requirement, e.g. `R1`; empty where none is meant. */
  requirement?: string;
  /** The requirement's name; unset where none is meant. */
  title?: Text;
  /** What the applicant reads. */
  text?: Text;
  /** Key of the form field to correct; empty where none is meant. */
  field?: string;
  /** The law that it comes from. */
  legalBasis?: LegalBasis[];
  /** What it rests on. */
  used?: Used[];
}

/** One output of an approval, e.g. the monthly allowance. */
export interface Granted {
  /** Key of the output, e.g. `monthly_allowance`. */
  id?: string;
  /** Its name. */
  name?: Text;
  /** Its value. */
  value?: Value;
  /** Unit of a number; empty for other values. */
  unit?: string;
  /** Its value in words, with the unit or the option's name. */
  display?: Text;
}

/**
 * Every requirement is proven met, and every output has exactly one known value; or a person has
 * granted it (`Decision.determination`).
 */
export interface Approved {
  /** What is granted. */
  grant?: Granted[];
  /** Why; never empty. */
  reasons?: Reason[];
}

/**
 * At least one requirement is proven not met, on evidence alone, and the matter allows a machine
 * to say so; or a person has refused it (`Decision.determination`).
 */
export interface Refused {
  /** Why; never empty. */
  reasons?: Reason[];
}

/** A person decides. */
export interface Referred {
  /** Why no machine did; never empty. */
  reasons?: Reason[];
}

/** The applicant can cure it, with a new `request_id` and the same `case_id`. */
export interface NeedsCorrection {
  /** Every gap at once; never empty. */
  reasons?: Reason[];
}

/** A source is away or pending. The case is decided again when it is back. */
export interface Waiting {
  /** At this time a person takes over. */
  untilTime?: Timestamp;
  /** The sources that are waited for. */
  evidenceTypes?: string[];
  /** Why; never empty. */
  reasons?: Reason[];
}

/** What an applicant can do against a decision, and until when. */
export interface Remedies {
  /** 行政复议: who reconsiders. */
  reconsiderationOrgan?: Text;
  /** Days from knowing of the decision. */
  reconsiderationDays?: number;
  /** Where to ask for it online. */
  reconsiderationLink?: string;
  /** 行政诉讼: which court. */
  litigationCourt?: Text;
  /** Months from knowing of the decision. */
  litigationMonths?: number;
}

/** Where an entry stands in the decision trail. */
export interface Receipt {
  /** Index of the entry; the first is 0. */
  index?: Int64;
  /** RFC 6962 leaf hash of the entry, 32 bytes. */
  leafHash?: Base64;
}

/** A decision, already recorded. */
export interface Decision {
  /** Granted. */
  approved?: Approved;
  /** Refused by rules on evidence alone. */
  refused?: Refused;
  /** Handed to a person. */
  referred?: Referred;
  /** Back to the applicant. */
  needsCorrection?: NeedsCorrection;
  /** On hold until a source is back. */
  waiting?: Waiting;
  /** The case that it belongs to. */
  caseId?: string;
  /** 办件编号, for people to read and say. */
  caseNumber?: string;
  /** The matter. */
  matter?: string;
  /** First day of the release whose rules were applied; it names the release in its matter. */
  rulesEffectiveDate?: Day;
  /** SHA-256 of the release, 32 bytes. */
  releaseDigest?: Base64;
  /** The civil day on which the application was handed in. */
  filingDate?: Day;
  /** When it was decided. */
  decideTime?: Timestamp;
  /** Which registers were asked. */
  evidence?: EvidenceSummary[];
  /** The notice, with reasons and remedies. */
  notice?: Text;
  /** What the applicant can do against it. */
  remedies?: Remedies;
  /** Where it stands in the trail. */
  receipt?: Receipt;
  /** Papers that nobody had to bring, because evidence took their place (免交材料). */
  replaced?: ReplacedDocument[];
  /** What registers do not agree on; each has a ticket in the trail. */
  contradictions?: Contradiction[];
  /** Set if a person decided; unset if the rules did. */
  determination?: Determination;
}

/** That a person decided, and how that stands to what the rules said. */
export interface Determination {
  /** Whether it goes against the rules, or against an earlier decision. */
  overrides?: boolean;
  /** Why, in the person's own words; the first of the reasons says it, too. */
  reason?: Text;
  /** Code of the ground, e.g. `paper_document`; empty if it goes against nothing. */
  ground?: string;
  /** The article or the order that the ground cites; empty if none. */
  citation?: string;
  /** Whether a second person confirmed it. */
  twoPersons?: boolean;
}

/** A paper that the applicant no longer brings. */
export interface ReplacedDocument {
  /** Its name. */
  name?: Text;
  /** The evidence types that take its place. */
  evidenceTypes?: string[];
}

/** The time that the authority has promised a person's decision in. */
export interface PromisedLimit {
  /** How many. */
  days?: number;
  /** `working` or `calendar`. */
  unit?: string;
}

/** Limits within which a call must keep. */
export interface CallLimits {
  /** A deadline below this is DEADLINE_EXCEEDED before any register is asked. */
  minimumDeadline?: Duration;
}

/** How surely the person's identity was established. */
export type AssuranceLevel = "ASSURANCE_LEVEL_LOW" | "ASSURANCE_LEVEL_SUBSTANTIAL" | "ASSURANCE_LEVEL_HIGH";

/** What a register answered. Only MATCH and NO_RECORD_AUTHORITATIVE make a value known. */
export type EvidenceStatus = "EVIDENCE_STATUS_MATCH" | "EVIDENCE_STATUS_MISMATCH" | "EVIDENCE_STATUS_NO_RECORD_AUTHORITATIVE" | "EVIDENCE_STATUS_NO_RECORD_INCONCLUSIVE" | "EVIDENCE_STATUS_AMBIGUOUS" | "EVIDENCE_STATUS_STALE" | "EVIDENCE_STATUS_DISPUTED" | "EVIDENCE_STATUS_UNAVAILABLE" | "EVIDENCE_STATUS_DENIED" | "EVIDENCE_STATUS_MALFORMED" | "EVIDENCE_STATUS_PENDING";

/** How an answer came to us. How old it may be for a concept is judged by `as_of_time`. */
export type Freshness = "FRESHNESS_LIVE" | "FRESHNESS_CACHE" | "FRESHNESS_BATCH";

/** What `CheckEligibility` is asked. */
export interface CheckEligibilityRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller, for its log and ours; a repeated check asks again. */
  requestId: string;
  /** Where the person is: one of the matter's channels, e.g. `portal`. */
  channel: string;
  /** Who would take part, as in `Decide`. */
  parties: Party[];
  /** Who stands behind the request. */
  authority: Authority;
  /** Declared fields of the form, by key, those that are known so far. */
  answers?: Record<string, Value>;
}

/** What an application would meet, as far as it is known today. */
export type CheckEligibilityResponseProspect = "PROSPECT_MEETS_ALL" | "PROSPECT_MISSES_SOME" | "PROSPECT_OPEN";

/** What `CheckEligibility` answers. */
export interface CheckEligibilityResponse {
  /** That this is no decision, to be shown with everything else. */
  disclaimer?: Text;
  /** What an application would meet. */
  prospect?: CheckEligibilityResponseProspect;
  /**
   * What became of every requirement (`REQUIREMENT_MET`, `REQUIREMENT_NOT_MET` or
   * `REQUIREMENT_UNKNOWN`), in the order of the rules.
   */
  requirements?: Reason[];
  /** Every field of the form that an application would still have to fill in or correct. */
  gaps?: Reason[];
  /** Which registers were asked. */
  evidence?: EvidenceSummary[];
  /** The matter. */
  matter?: string;
  /** First day of the release whose rules were applied. */
  rulesEffectiveDate?: Day;
}

/** What `Decide` is asked. */
export interface DecideRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** The case to go on with (from `Prefill`, or one that needs correction); empty for a new one. */
  caseId?: string;
  /** Where the applicant is: one of the matter's channels, e.g. `portal`. */
  channel: string;
  /**
   * Who takes part. The first is the person who files, as `applicant`; for a matter that
   * organisations apply for, one more is the `organisation`, whose case it then is. Who acts for a
   * person is one more, as `agent` or `guardian`; grants, limits and records are the person's.
   */
  parties: Party[];
  /** Who stands behind the request. */
  authority: Authority;
  /** The declared fields of the form, by key. A field that a register fills is an error here. */
  answers?: Record<string, Value>;
  /** Prefilled values that the applicant says are wrong; each becomes unknown. */
  contests?: Contest[];
  /** The applicant wants a person to decide (PIPL Article 24). The case is referred, at no loss. */
  personRequested?: boolean;
  /**
   * The offer that the applicant agrees to (`Offer.offer_id`); empty without one. Nothing of it is
   * believed: it is decided like every other application.
   */
  offerId?: string;
}

/** A prefilled value that the applicant says is wrong. */
export interface Contest {
  /** The concept, e.g. `applicant.birth_date`. */
  concept: string;
  /** What the applicant says it should be; at most 200 characters. */
  claimed?: string;
  /** Why; at most 2,000 characters. */
  text?: string;
}

/** What `Decide` answers. */
export interface DecideResponse {
  /** The decision, already recorded. */
  decision?: Decision;
}

/** What `RateCase` is asked. */
export interface RateCaseRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who rates. */
  person: Person;
  /** How. */
  grade: RatingGrade;
  /** What they say to it; at most 2,000 characters. Sealed. */
  text?: string;
}

/** What `RateCase` answers. */
export interface RateCaseResponse {
  /** The rating. */
  rating?: Rating;
}

/** The five grades of 政务服务“好差评” (国办发〔2019〕51号). */
export type RatingGrade = "GRADE_VERY_SATISFIED" | "GRADE_SATISFIED" | "GRADE_FAIRLY_SATISFIED" | "GRADE_DISSATISFIED" | "GRADE_VERY_DISSATISFIED";

/** How the applicant rated a case. */
export interface Rating {
  /** How. */
  grade?: RatingGrade;
  /** What they said to it. */
  text?: string;
  /** When. */
  time?: Timestamp;
  /** Until when a poor one is answered; unset for the others. */
  dueTime?: Timestamp;
  /** What was found; unset until it is answered. */
  answer?: RatingAnswer;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What was found of a poor rating. */
export interface RatingAnswer {
  /** Whether it holds. */
  justified?: boolean;
  /** What was found, and what is done. */
  text?: string;
  /** When. */
  time?: Timestamp;
}

/** What `ListOwnAccesses` is asked. */
export interface ListOwnAccessesRequest {
  /** Who asks about themselves. */
  person: Person;
  /** At most so many; 0 means 50, more than 500 means 500. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
}

/** What `ListOwnAccesses` answers. */
export interface ListOwnAccessesResponse {
  /** The newest first. */
  accesses?: OwnAccess[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** That somebody asked for a person's data. */
export interface OwnAccess {
  /** When. */
  time?: Timestamp;
  /** The system, by its name; somebody of the staff with the first letter only. */
  caller?: string;
  /** What they are, e.g. `auditor`; empty or `portal` for the system that acted for the person. */
  role?: string;
  /**
   * Why: `prefill`, `decide`, `waiting`, `interrupted`, `eligibility`, `offer` where nobody had
   * applied, `guardian` for who acts about a case for the person, or `trail` for a look at the
   * record.
   */
  flow?: string;
  /** The question to the record; empty unless it was one. */
  method?: string;
  /** The matter; empty if none is meant. */
  matter?: string;
  /** The registers that were asked. */
  evidenceTypes?: string[];
  /** What for, with the consent or the article that allowed it. */
  purposes?: string[];
}

/** What `ExportOwnData` is asked. */
export interface ExportOwnDataRequest {
  /** Who wants a copy of what is recorded about them. */
  person: Person;
  /** Only entries after this index; unset for all. To go on where an export ended. */
  afterIndex?: Int64;
}

/** What `ExportOwnData` answers, up to 100 entries at a time. */
export interface ExportOwnDataResponse {
  /** The oldest first. */
  entries?: OwnEntry[];
  /** There are no more. If the last message does not say so, ask again after its last entry. */
  complete?: boolean;
}

/** One entry about a person, as the person may have it. */
export interface OwnEntry {
  /** Its index in the trail. */
  index?: Int64;
  /** What happened, e.g. `decision/1`. */
  type?: string;
  /** When. */
  time?: Timestamp;
  /** JSON with `permanent`, `sealed` and `notice`. What is about other people is masked. */
  contentJson?: string;
}

/** What `WatchCase` is asked. */
export interface WatchCaseRequest {
  /** The case. */
  caseId: string;
  /**
   * Documents of the person to whom it is shown. If they are given, the case is there only for its
   * applicant and for who opened it as guardian, or as agent whose mandate holds today for its
   * matter: give them wherever others than the applicant sign in.
   */
  shownTo?: Document[];
}

/** What `WatchCase` answers, each time that the case has moved. */
export interface WatchCaseResponse {
  /** The case. */
  case?: Case;
}

/** The person who acts, as they have authenticated at the portal or shown at the window. */
export interface Person {
  /** At least one; the case's applicant has one of them. */
  documents: Document[];
  /** How surely. Below the matter's level the request is PERMISSION_DENIED. */
  assuranceLevel: AssuranceLevel;
  /** When the person authenticated. */
  authenticationTime: Timestamp;
}

/** What `WithdrawCase` is asked. */
export interface WithdrawCaseRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who withdraws it. */
  person: Person;
  /** Why, if they say; at most 2,000 characters. */
  text?: string;
}

/** What `WithdrawCase` answers. */
export interface WithdrawCaseResponse {
  /** The case, closed. */
  case?: Case;
}

/** What `RequestReview` is asked. */
export interface RequestReviewRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who wants it. */
  person: Person;
  /** What they say to it (陈述、申辩); at most 2,000 characters. */
  text?: string;
}

/** What `RequestReview` answers. */
export interface RequestReviewResponse {
  /** The case. */
  case?: Case;
}

/** What `ContestFact` is asked. */
export interface ContestFactRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who objects. */
  person: Person;
  /** To what. */
  contest: Contest;
}

/** What `ContestFact` answers. */
export interface ContestFactResponse {
  /** The case, with the ticket among its events. */
  case?: Case;
}

/** What `GetCase` is asked. */
export interface GetCaseRequest {
  /** The case. */
  caseId: string;
  /**
   * Documents of the person to whom it is shown. If they are given, the case is there only for its
   * applicant and for who opened it as guardian, or as agent whose mandate holds today for its
   * matter: give them wherever others than the applicant sign in.
   */
  shownTo?: Document[];
}

/** What `GetCase` answers. */
export interface GetCaseResponse {
  /** The case. */
  case?: Case;
}

/** What `GetReceipt` is asked. */
export interface GetReceiptRequest {
  /** The case. */
  caseId: string;
  /** `Decision.receipt.index` of the decision; unset means the newest decision of the case. */
  index?: Int64;
  /**
   * Documents of the person to whom it is shown. If they are given, the case is there only for its
   * applicant and for who opened it as guardian, or as agent whose mandate holds today for its
   * matter: give them wherever others than the applicant sign in.
   */
  shownTo?: Document[];
}

/** What `GetReceipt` answers. */
export interface GetReceiptResponse {
  /** The receipt: JSON, to be kept as it is and checked with `miaopi receipt verify`. */
  receiptJson?: string;
}

/** How far a case has come. */
export type CaseState = "STATE_OPEN" | "STATE_WAITING" | "STATE_REFERRED" | "STATE_NEEDS_CORRECTION" | "STATE_APPROVED" | "STATE_REFUSED" | "STATE_WITHDRAWN";

/** How what was granted stands. A review or a new decision that is open changes nothing of it. */
export type CaseStanding = "STANDING_NONE" | "STANDING_IN_FORCE" | "STANDING_SUSPENDED" | "STANDING_REVOKED" | "STANDING_WITHDRAWN_BY_AUTHORITY" | "STANDING_CANCELLED" | "STANDING_EXPIRED";

/** One application of one person. */
export interface Case {
  /** 128 random bits in hexadecimal. */
  caseId?: string;
  /** 办件编号, for people to read and say. */
  caseNumber?: string;
  /** The matter. */
  matter?: string;
  /** How far it has come. */
  state?: CaseState;
  /** The civil day on which it was handed in; unset if it was not yet. */
  filingDate?: Day;
  /** When it was opened. */
  createTime?: Timestamp;
  /** Its decisions, the newest last. */
  decisions?: Decision[];
  /** What else has followed, the newest last. */
  events?: CaseEvent[];
  /** How what was granted stands. */
  standing?: CaseStanding;
  /** What is granted as it is now; empty unless it is in force or suspended. */
  grant?: Granted[];
  /** Every notice that counts as served, and the terms that run from it. */
  served?: Served[];
  /** How the applicant rated it; unset if they did not, and for everybody else. */
  rating?: Rating;
}

/**
 * A notice that counts as served. Terms run from the day after; a last day on which offices are
 * shut moves to the next on which they are open (民事诉讼法 Article 85).
 */
export interface Served {
  /** `receipt.index` of the decision, or of the event, whose notice it is. */
  decisionIndex?: Int64;
  /** The civil day on which it was served. */
  servedDate?: Day;
  /** 行政复议: the last day (行政复议法 Article 20). */
  reconsiderationUntil?: Day;
  /** 行政诉讼: the last day (行政诉讼法 Article 46). */
  litigationUntil?: Day;
}

/** Something that has followed on a case beside its decisions. */
export interface CaseEvent {
  /** The applicant took the application back. */
  withdrawn?: Withdrawn;
  /** A person was asked for. */
  reviewRequested?: ReviewRequested;
  /** A register's value was objected to. */
  contested?: Contested;
  /** The owner of the register has checked a record. */
  ticketResolved?: TicketResolved;
  /** A notice has reached the person. */
  delivered?: Delivered;
  /** The authority has done something about what was granted. */
  standingChanged?: StandingChanged;
  /** The authority has persons decide again what rules have decided. */
  reopened?: Reopened;
  /** When. */
  time?: Timestamp;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** The applicant took the application back. */
export interface Withdrawn {
  /** Why, if they said. */
  text?: string;
}

/** A person was asked for. */
export interface ReviewRequested {
  /** What was said to it. */
  text?: string;
}

/**
 * The authority has persons decide again what rules have decided, because it was decided wrongly,
 * or may have been. What was granted stays granted until then.
 */
export interface Reopened {
  /** `receipt.index` of the decision. */
  decisionIndex?: Int64;
  /** Why. */
  reason?: Text;
  /** What the applicant is told. */
  notice?: Text;
}

/** A register's value was objected to. */
export interface Contested {
  /** What was objected to. */
  contest?: Contest;
  /** Number of the request to the register's owner to check the record. */
  ticket?: string;
  /** The register. */
  evidenceType?: string;
}

/** The owner of the register has checked a record. */
export interface TicketResolved {
  /** The request's number. */
  ticket?: string;
  /** What was objected to. */
  concept?: string;
  /** Whether the record was wrong and is corrected; otherwise it stands. */
  corrected?: boolean;
  /** What was found. */
  text?: string;
}

/** By which way. */
export type DeliveredChannel = "CHANNEL_PORTAL" | "CHANNEL_SMS" | "CHANNEL_EMAIL" | "CHANNEL_POST" | "CHANNEL_IN_PERSON";

/** A notice has reached the person by one channel. */
export interface Delivered {
  /** `receipt.index` of the decision, or of the event, whose notice it is. */
  decisionIndex?: Int64;
  /** By which way. */
  channel?: DeliveredChannel;
  /** When it arrived, as the channel says. */
  deliveredTime?: Timestamp;
  /** The channel's own number of its receipt (送达回证). */
  reference?: string;
}

/** What can be done; the law keeps these apart. */
export type StandingChangedAct = "ACT_SUSPEND" | "ACT_RESUME" | "ACT_CHANGE" | "ACT_CORRECT" | "ACT_REVOKE" | "ACT_WITHDRAW" | "ACT_CANCEL" | "ACT_EXPIRE";

/** The authority has done something about what was granted. */
export interface StandingChanged {
  /** `receipt.index` of the decision that granted it. */
  decisionIndex?: Int64;
  /** What was done. */
  act?: StandingChangedAct;
  /** Of a revocation: it was got by deceit, so a once-only grant is not free again. */
  byFaultOfApplicant?: boolean;
  /** The article that allows it. */
  legalBasis?: string;
  /** From which civil day on. */
  effectiveDate?: Day;
  /** When the person was told and could speak; unset where nothing is taken. */
  heardDate?: Day;
  /** The reason. */
  text?: Text;
  /** What the person is told, with reason, law and remedies. */
  notice?: Text;
}

/** What `ListPoorRatings` is asked. */
export interface ListPoorRatingsRequest {
}

/** What `ListPoorRatings` answers. */
export interface ListPoorRatingsResponse {
  /** The oldest first. */
  ratings?: PoorRating[];
}

/** A poor rating that waits for an answer. */
export interface PoorRating {
  /** Its index in the trail. */
  ratingIndex?: Int64;
  /** The matter. */
  matter?: string;
  /** `GRADE_DISSATISFIED` or `GRADE_VERY_DISSATISFIED`. */
  grade?: RatingGrade;
  /** When. */
  time?: Timestamp;
  /** Until when it is to be answered. */
  dueTime?: Timestamp;
  /** Who looks into it; empty if nobody. */
  clerk?: string;
}

/** What `TakeRating` is asked. */
export interface TakeRatingRequest {
  /** Which rating. */
  ratingIndex: Int64;
}

/** What `TakeRating` answers. */
export interface TakeRatingResponse {
  /** The rating. */
  rating?: PoorRating;
  /** What the person said to it. */
  text?: string;
  /** The case. */
  caseId?: string;
  /** Its number (办件编号). */
  caseNumber?: string;
}

/** What `AnswerRating` is asked. */
export interface AnswerRatingRequest {
  /** Which rating. */
  ratingIndex: Int64;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Whether it holds. */
  justified?: boolean;
  /** What was found, and what is done, for the person to read; at most 2,000 characters. */
  text: string;
}

/** What `AnswerRating` answers. */
export interface AnswerRatingResponse {
}

/** What `RecordDelivery` is asked. */
export interface RecordDeliveryRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** What has reached the person. */
  delivered: Delivered;
}

/** What `RecordDelivery` answers. */
export interface RecordDeliveryResponse {
  /** The case. */
  case?: Case;
}

/** What `ChangeStanding` is asked. */
export interface ChangeStandingRequest {
  /** The case. */
  caseId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** `receipt.index` of the decision that granted it. */
  decisionIndex: Int64;
  /** What is done. */
  act: StandingChangedAct;
  /** Of a revocation: it was got by deceit. */
  byFaultOfApplicant?: boolean;
  /** The article that allows it, e.g. `行政许可法 第六十九条第一款第四项`; at most 200 characters. */
  legalBasis: string;
  /** From which civil day on. */
  effectiveDate: Day;
  /**
   * When the person was told and could speak (陈述、申辩). Required for `ACT_SUSPEND`,
   * `ACT_CHANGE`, `ACT_REVOKE` and `ACT_WITHDRAW`.
   */
  heardDate?: Day;
  /** The reason, for the person to read, in both languages; each at most 2,000 characters. */
  text: Text;
  /** New values of what was granted, by output; for `ACT_CHANGE` and `ACT_CORRECT` alone. */
  values?: Record<string, Value>;
}

/** What `ChangeStanding` answers. */
export interface ChangeStandingResponse {
  /** The case. */
  case?: Case;
  /** Index of the proposal; unset if the act is done. */
  proposalIndex?: Int64;
}

/** What `ListProposals` is asked. */
export interface ListProposalsRequest {
}

/** What `ListProposals` answers. */
export interface ListProposalsResponse {
  /** The newest first. */
  proposals?: StandingProposal[];
}

/** An act that a clerk has proposed about a grant. */
export interface StandingProposal {
  /** Its index. */
  proposalIndex?: Int64;
  /** The case. */
  caseId?: string;
  /** What is proposed; without a notice, because nobody is told yet. */
  change?: StandingChanged;
  /** Who has proposed it. */
  clerk?: string;
  /** When. */
  time?: Timestamp;
}

/** What `AnswerProposal` is asked. */
export interface AnswerProposalRequest {
  /** The proposal. */
  proposalIndex: Int64;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Whether it is confirmed; otherwise it is returned. */
  confirmed?: boolean;
  /** Why, in the second person's own words; at most 2,000 characters. */
  text: string;
}

/** What `AnswerProposal` answers. */
export interface AnswerProposalResponse {
  /** The case. */
  case?: Case;
}

/** What `ListTickets` is asked. */
export interface ListTicketsRequest {
  /** The register; empty for all. */
  evidenceType?: string;
}

/** What `ListTickets` answers. */
export interface ListTicketsResponse {
  /** The newest first. */
  tickets?: Ticket[];
}

/** A request to the owner of a register to check a record (数据校核). */
export interface Ticket {
  /** Its number. */
  ticket?: string;
  /** The register. */
  evidenceType?: string;
  /** What was objected to, or what registers contradict each other about. */
  concept?: string;
  /** The case in which that was. */
  caseId?: string;
  /** When. */
  time?: Timestamp;
  /** The registers that say something else; empty for an objection. */
  doubtedBy?: string[];
}

/** What `ResolveTicket` is asked. */
export interface ResolveTicketRequest {
  /** The ticket's number. */
  ticket: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Whether the record was wrong and is corrected at the register; otherwise it stands. */
  corrected?: boolean;
  /** What was found, for the person to read; at most 2,000 characters. */
  text: string;
}

/** What `ResolveTicket` answers. */
export interface ResolveTicketResponse {
}

/** What `DrawAfterChecks` is asked. */
export interface DrawAfterChecksRequest {
  /** The matter. */
  matter: string;
  /** The first civil day of the approvals. */
  since: Day;
  /** The last one. */
  until: Day;
  /** How many are drawn, at most 500; 0 means 20. */
  pageSize?: number;
  /**
   * Chosen before anybody knows whom it meets, e.g. the number of a public draw; at most 64
   * letters, digits, `_`, `.` and `-`.
   */
  seed: string;
}

/** What `DrawAfterChecks` answers. */
export interface DrawAfterChecksResponse {
  /** Of how many was drawn; of more than 100,000 only of the newest. */
  drawnFrom?: number;
  /** In the order of their lots. */
  cases?: DrawnCase[];
}

/** An approval that was drawn. */
export interface DrawnCase {
  /** The case. */
  caseId?: string;
  /** `receipt.index` of the approval. */
  decisionIndex?: Int64;
  /** When it was approved. */
  time?: Timestamp;
}

/** Whose referrals. */
export type ListReferralsRequestWhose = "WHOSE_FREE" | "WHOSE_MINE" | "WHOSE_PROPOSED";

/** What `ListReferrals` is asked. */
export interface ListReferralsRequest {
  /**
   * At most so many referrals; 0 means 50, more than 200 means 200. A page can have fewer, and
   * still not be the last.
   */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
  /** Of this matter alone; empty for every. */
  matter?: string;
  /** Whose referrals. */
  whose?: ListReferralsRequestWhose;
  /** Those alone whose promised limit ends before this; unset for all. */
  promisedBeforeTime?: Timestamp;
  /** Those alone that were referred before this; unset for all. */
  referredBeforeTime?: Timestamp;
}

/** What `ListReferrals` answers. */
export interface ListReferralsResponse {
  /** Those whose promised limit ends earliest first. */
  referrals?: Referral[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** A case that a person decides. */
export interface Referral {
  /** The case. */
  caseId?: string;
  /** 办件编号. */
  caseNumber?: string;
  /** The matter. */
  matter?: string;
  /** The civil day on which it was handed in. */
  filingDate?: Day;
  /** When it was referred. */
  referTime?: Timestamp;
  /** Until when a decision is promised, by the office's own days and hours (承诺办结时限). */
  promisedTime?: Timestamp;
  /**
   * Codes of the reasons for which no machine decided; `REVIEW_REQUESTED`, `FACT_CONTESTED` or
   * `DECISION_REOPENED` if a person was asked for afterwards.
   */
  reasons?: string[];
  /** Subject of the token of the clerk who works on it; empty if nobody does. */
  clerk?: string;
  /** When that claim runs out; unset without one. */
  claimExpireTime?: Timestamp;
  /** Whether a decision waits for a second clerk. */
  proposed?: boolean;
  /** For the next step (AIP-154). */
  etag?: string;
}

/** What `GetDossier` is asked. */
export interface GetDossierRequest {
  /** The case: its id, or its number as notices have it (办件编号), e.g. `20261124-7K3M-9QXW`. */
  caseId: string;
  /** Leaves out what persons have decided or proposed: for a second, independent look. */
  blind?: boolean;
}

/** What `GetDossier` answers. */
export interface GetDossierResponse {
  /** The case. */
  dossier?: Dossier;
}

/** All that a clerk needs of a case (案卷). It is full of personal data. */
export interface Dossier {
  /**
   * How it stands, with its decisions and all that followed, the newest last; without them, and
   * without its state, if it was asked for `blind`.
   */
  case?: Case;
  /** For the next step (AIP-154). */
  etag?: string;
  /** Who takes part. */
  parties?: Party[];
  /** Everything that the rules used, with who vouches for it. */
  facts?: DossierFact[];
  /** Status of every requirement, what it rests on, and its law. */
  requirements?: Reason[];
  /** What an approval would grant, where the rules can tell it. */
  outputs?: Granted[];
  /** Every output of the matter: a clerk says what is granted where the rules cannot. */
  outputFields?: OutputField[];
  /**
   * Why a person was asked for since the last decision, the newest first; then why rules did not
   * decide, or decided so.
   */
  reasons?: Reason[];
  /** What the applicant declared, by the key of the form. */
  answers?: Record<string, Value>;
  /** What the applicant says is wrong. */
  contests?: DossierContest[];
  /** Which registers were asked. */
  evidence?: EvidenceSummary[];
  /** Papers that nobody had to bring, because evidence took their place. */
  replaced?: ReplacedDocument[];
  /** Papers that were attached at the counter. */
  papers?: Paper[];
  /** What waits for a second clerk; unset if nothing does. */
  proposal?: Proposal;
  /** Subject of the token of the clerk who works on it; empty if nobody does. */
  clerk?: string;
  /** When that claim runs out; unset without one. */
  claimExpireTime?: Timestamp;
  /** Grounds that the matter offers for deciding otherwise. */
  grounds?: GroundOffered[];
}

/** A fact, as a clerk sees it. */
export interface DossierFact {
  /** The fact. */
  used?: Used;
  /** The instant for which its register vouches; unset if it came from none. */
  asOfTime?: Timestamp;
}

/** Something that an approval grants. */
export interface OutputField {
  /** Key of the output. */
  id?: string;
  /** Its name. */
  name?: Text;
}

/** A ground that a matter offers. */
export interface GroundOffered {
  /** The code. */
  reason?: string;
  /** What it means. */
  name?: Text;
}

/** A value that the applicant says is wrong. */
export interface DossierContest {
  /** The concept. */
  concept?: string;
  /** What is right, as the applicant says. */
  claimed?: string;
  /** In the applicant's own words. */
  text?: string;
}

/** A paper that a clerk has seen and attached. */
export interface Paper {
  /** Index of its entry; names the paper. */
  index?: Int64;
  /** What it is, e.g. `出生医学证明`. */
  name?: string;
  /** `application/pdf`, `image/jpeg` or `image/png`. */
  mediaType?: string;
  /** SHA-256 of its bytes, 32 bytes. */
  digest?: Base64;
  /** In bytes. */
  size?: Int64;
  /** Subject of the token of the clerk who attached it. */
  clerk?: string;
  /** When. */
  createTime?: Timestamp;
}

/** What a clerk wants decided, and a second one must confirm. */
export interface Proposal {
  /** Subject of the token of the clerk who wants it. */
  clerk?: string;
  /** What. */
  result?: Result;
  /** Why, in the clerk's own words. */
  reason?: Text;
  /** The ground of deciding otherwise; unset if it is not otherwise. */
  ground?: Ground;
  /** What the clerk vouches for, by concept. */
  findings?: Record<string, Value>;
  /** What would be granted beside what the rules tell. */
  outputs?: Record<string, Value>;
  /** Papers that it rests on. */
  papers?: Int64[];
}

/** Why a person decides otherwise than the rules, or than was decided before. */
export interface Ground {
  /**
   * One of the matter's: `data_wrong_at_source`, `not_the_same_person`, `newer_evidence`,
   * `paper_document` (also foreign), `law_exception`, `hardship`, `fraud_suspicion`,
   * `system_fault` or `court_order`.
   */
  reason: string;
  /** The article for `law_exception`, the number of the order for `court_order`. */
  citation?: string;
  /** Number of the request to correct the record (数据校核), for `data_wrong_at_source`. */
  ticket?: string;
}

/** What `ClaimCase` is asked. */
export interface ClaimCaseRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
}

/** What `ClaimCase` answers. */
export interface ClaimCaseResponse {
  /** For the next step. */
  etag?: string;
  /** When the claim runs out. */
  claimExpireTime?: Timestamp;
}

/** What `ReleaseCase` is asked. */
export interface ReleaseCaseRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
}

/** What `ReleaseCase` answers. */
export interface ReleaseCaseResponse {
  /** For the next step. */
  etag?: string;
}

/** What `AttachPaper` is asked. */
export interface AttachPaperRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
  /** What it is, at most 100 characters. */
  name: string;
  /** `application/pdf`, `image/jpeg` or `image/png`; the bytes must begin like one. */
  mediaType: string;
  /** At most 512 KiB. */
  content: Base64;
}

/** What `AttachPaper` answers. */
export interface AttachPaperResponse {
  /** For the next step. */
  etag?: string;
  /** The paper. */
  paper?: Paper;
}

/** What `GetPaper` is asked. */
export interface GetPaperRequest {
  /** The case. */
  caseId: string;
  /** `Paper.index`. */
  index: Int64;
}

/** What `GetPaper` answers. */
export interface GetPaperResponse {
  /** What it is. */
  paper?: Paper;
  /** Its bytes. */
  content?: Base64;
}

/** What `DetermineCase` is asked. */
export interface DetermineCaseRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
  /** What is decided. */
  result: Result;
  /**
   * Why, for the applicant to read, at most 2,000 characters; `zh` is required, `en` repeats it if
   * empty.
   */
  reason: Text;
  /** What the clerk vouches for, by concept of the matter: joins or replaces what registers said. */
  findings?: Record<string, Value>;
  /** What is granted, by output, where the rules cannot tell it. */
  outputs?: Record<string, Value>;
  /** Fields of the form that the applicant is to correct; for `RESULT_CORRECT`. */
  fields?: string[];
  /** Why it is decided otherwise than the rules say; unset if it is not. */
  ground?: Ground;
  /** Attached papers that it rests on. */
  papers?: Int64[];
}

/** What `DetermineCase` answers. */
export interface DetermineCaseResponse {
  /** The decision; unset if a second clerk must confirm it. */
  decision?: Decision;
  /** For the next step. */
  etag?: string;
}

/** What `OverrideDecision` is asked. */
export interface OverrideDecisionRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
  /** What is decided now: approve or refuse. */
  result: Result;
  /** As in `DetermineCaseRequest`. */
  reason: Text;
  /** As in `DetermineCaseRequest`. */
  findings?: Record<string, Value>;
  /** As in `DetermineCaseRequest`. */
  outputs?: Record<string, Value>;
  /** Why it is decided otherwise than it was. */
  ground: Ground;
  /** Attached papers that it rests on. */
  papers?: Int64[];
}

/** What `OverrideDecision` answers. */
export interface OverrideDecisionResponse {
  /** The decision; unset if a second clerk must confirm it. */
  decision?: Decision;
  /** For the next step. */
  etag?: string;
}

/** What `ConfirmProposal` is asked. */
export interface ConfirmProposalRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
  /** Why, for those who check; at most 2,000 characters. */
  reason: string;
}

/** What `ConfirmProposal` answers. */
export interface ConfirmProposalResponse {
  /** The decision. */
  decision?: Decision;
  /** For the next step. */
  etag?: string;
}

/** What `ReturnProposal` is asked. */
export interface ReturnProposalRequest {
  /** The case. */
  caseId: string;
  /** Of the case as the caller has seen it. */
  etag: string;
  /** Why, for the first clerk; at most 2,000 characters. */
  reason: string;
}

/** What `ReturnProposal` answers. */
export interface ReturnProposalResponse {
  /** For the next step. */
  etag?: string;
}

/** What `ListOverrides` is asked. */
export interface ListOverridesRequest {
  /** At most so many overrides; 0 means 50, more than 200 means 200. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
  /**
   * Which overrides, in the language of `ListEntriesRequest.filter`, e.g. `matter =
   * old_age_allowance AND requirements.R2 = not_met AND reasons:PAPER_DOCUMENT AND caller =
   * clerk-7 AND time >= 2026-11-01`. Requirements are as the rules found them, `caller` is the
   * clerk who decided, reasons are grounds in capitals.
   */
  filter?: string;
}

/** What `ListOverrides` answers. */
export interface ListOverridesResponse {
  /** The newest first. */
  overrides?: Override[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** A person's decision against the rules, or against an earlier decision. */
export interface Override {
  /** Index of its entry. */
  index?: Int64;
  /** When. */
  time?: Timestamp;
  /** The case. */
  caseId?: string;
  /** The matter. */
  matter?: string;
  /** How the case stood: `referred`, `approved` or `refused`. */
  from?: string;
  /** What was decided: `approved` or `refused`. */
  to?: string;
  /** Subject of the token of the clerk who decided. */
  clerk?: string;
  /** Of the one who confirmed it; empty if nobody had to. */
  secondClerk?: string;
  /** Why, with what it cites; only its code if it was erased. */
  ground?: Ground;
  /** In the clerk's own words; unset if it was erased. */
  reason?: Text;
  /** Status of each requirement by the rules, before what the clerk found. */
  requirements?: Record<string, string>;
  /** Status of each requirement with what the clerk found. */
  found?: Record<string, string>;
  /** From claim to decision. */
  handlingDuration?: Duration;
}

/** What `GetOverrideStats` is asked. */
export interface GetOverrideStatsRequest {
  /** Which decisions; as in `ListOverrides`. */
  filter?: string;
}

/** What `GetOverrideStats` answers. */
export interface GetOverrideStatsResponse {
  /** All of them first, then by matter, requirement, reason, clerk and month. */
  stats?: OverrideStats[];
}

/** How persons decided. Shares follow from the counts, exactly. */
export interface OverrideStats {
  /**
   * `all`, `matter`, `requirement` (the rules found it not met or not known), `reason` (the ground
   * of an override), `clerk` or `month`.
   */
  dimension?: string;
  /** Of that dimension, e.g. `old_age_allowance R2`. */
  value?: string;
  /** All that persons decided. */
  determinations?: Int64;
  /**
   * Those that went against the rules or an earlier decision. The rest over all is the share in
   * which persons agree with the rules.
   */
  overrides?: Int64;
  /** Those after which what had been decided no longer stood; a refusal that stays one does. */
  overturned?: Int64;
  /** Those that a second person confirmed. */
  twoPersons?: Int64;
  /** Second, independent looks. */
  secondLooks?: Int64;
  /** Those that came to the same result. */
  secondLooksAgreed?: Int64;
  /** From claim to decision: half of the cases took no longer than this. */
  medianHandlingDuration?: Duration;
}

/** What `DrawSample` is asked. */
export interface DrawSampleRequest {
  /** A day of the month, in the city's zone. */
  month: Day;
  /** How many of a hundred are drawn, 1 to 100; 0 means 10. */
  sharePercent?: number;
  /** Of this matter alone; empty for every. */
  matter?: string;
}

/** What `DrawSample` answers. */
export interface DrawSampleResponse {
  /** Those drawn, the oldest first. */
  drawn?: Drawn[];
}

/** A person's decision that is drawn for a second look; how it was decided is not told. */
export interface Drawn {
  /** Index of its entry. */
  index?: Int64;
  /** The case. */
  caseId?: string;
  /** The matter. */
  matter?: string;
  /** When it was decided. */
  time?: Timestamp;
  /** Whether somebody has had the second look. */
  lookedAgain?: boolean;
}

/** What `RecordSecondLook` is asked. */
export interface RecordSecondLookRequest {
  /** The case. */
  caseId: string;
  /** `Drawn.index`. */
  index: Int64;
  /** What the caller would have decided. */
  result: Result;
  /** Why, at most 2,000 characters. */
  reason: string;
}

/** What `RecordSecondLook` answers. */
export interface RecordSecondLookResponse {
  /** Whether the first clerk had decided the same. */
  agrees?: boolean;
}

/** What a clerk decides. */
export type Result = "RESULT_APPROVE" | "RESULT_REFUSE" | "RESULT_CORRECT";

/** What `GrantMandate` is asked. */
export interface GrantMandateRequest {
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /**
   * Who grants it, as surely as every one of the matters asks. On paper: whom the paper names;
   * how surely is then not looked at, because a clerk has seen the paper.
   */
  person: Person;
  /** The mandate; its `receipt`, `grant_time` and `on_paper` are not read. */
  mandate: Mandate;
  /** SHA-256 of the scan of the paper, 32 bytes, if a clerk has seen one; clerks only. Sealed. */
  scanDigest?: Base64;
}

/** What `GrantMandate` answers. */
export interface GrantMandateResponse {
  /** The mandate as it is recorded. */
  mandate?: Mandate;
}

/** What `RevokeMandate` is asked. */
export interface RevokeMandateRequest {
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who takes it back: who granted it. */
  person: Person;
  /** The agent, by the documents that the mandate names. */
  agent: Document[];
}

/** What `RevokeMandate` answers. */
export interface RevokeMandateResponse {
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What `ListMandates` is asked. */
export interface ListMandatesRequest {
  /** Who asks about their own mandates. */
  person: Person;
}

/** What `ListMandates` answers. */
export interface ListMandatesResponse {
  /** At most 500. */
  mandates?: Mandate[];
}

/** That somebody may act for a person. */
export interface Mandate {
  /** The agent's documents, at least one; the agent authenticates with one of them. */
  agent: Document[];
  /**
   * Ids of the matters that the agent may act in, 1 to 50; each must let agents act
   * (`Matter.represented_by`).
   */
  matters: string[];
  /** The last civil day on which it holds. */
  untilDate: Day;
  /** When it was recorded. */
  grantTime?: Timestamp;
  /** Whether a clerk has seen it on paper. */
  onPaper?: boolean;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What `ListMatters` is asked. */
export interface ListMattersRequest {
  /** At most so many matters; 0 means 50, more than 200 means 200. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
  /** The day; unset means today in the city's zone. */
  date?: Day;
}

/** What `ListMatters` answers. */
export interface ListMattersResponse {
  /** In the order of their ids. */
  matters?: Matter[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** What `GetMatter` is asked. */
export interface GetMatterRequest {
  /** Id of the matter, e.g. `old_age_allowance`. */
  matter: string;
  /** The day; unset means today in the city's zone. */
  date?: Day;
}

/** What `GetMatter` answers. */
export interface GetMatterResponse {
  /** The matter. */
  matter?: Matter;
}

/** How a matter may be offered to people who have not applied (免申即享). */
export interface OfferTerms {
  /** The article by which registers are asked for it. */
  legalBasis?: string;
  /** What registers are told that they are asked for. */
  purpose?: string;
  /** For how many civil days after that of the offer it can be agreed to. */
  validDays?: number;
}

/** A matter as it is in force on a day. */
export interface Matter {
  /** Its id, e.g. `old_age_allowance`. */
  id?: string;
  /** Its name. */
  name?: Text;
  /**
   * `licence`, `grant`, `confirmation`, `reward`, `filing`, `public_service` or `other`; of
   * `penalty`, `coercion`, `levy` and `inspection` there is prefill alone, and people decide.
   */
  kind?: string;
  /** Who answers for its decisions. */
  competentAuthority?: Text;
  /** First day of the release; it names the release in its matter. */
  rulesEffectiveDate?: Day;
  /** SHA-256 of the release, 32 bytes. */
  releaseDigest?: Base64;
  /** Instruments of law behind it. */
  legalResources?: string[];
  /** `prefill`, `instant`, `proactive`. */
  modes?: string[];
  /** How surely the person must have authenticated. */
  assuranceLevel?: AssuranceLevel;
  /** Version of the notice that a consent must name. */
  consentNoticeVersion?: string;
  /** Evidence types that are asked. */
  evidenceTypes?: string[];
  /** Papers that the applicant no longer brings. */
  replaces?: ReplacedDocument[];
  /** In which time a person decides a referred case. */
  promisedLimit?: PromisedLimit;
  /**
   * The form: JSON Schema 2020-12. Fields with `x-concept` whose source is a register are
   * prefilled and never sent back.
   */
  formJsonSchema?: string;
  /** Within what a call must keep. */
  limits?: CallLimits;
  /** What the applicant can do against a decision. */
  remedies?: Remedies;
  /**
   * Who applies: `person`, `organisation`. An organisation is a party of its own, beside the
   * person who files for it.
   */
  applicants?: string[];
  /** Keys of the declared fields by which registers find: prefill again once they are filled in. */
  prefillAnswers?: string[];
  /** Who may act for the person who applies, and by which law; nobody else may. */
  representedBy?: Representation[];
  /** The law that wants the person to appear; empty if none does. */
  inPerson?: string;
  /** How it may be offered; unset unless `proactive` is among its modes. */
  offers?: OfferTerms;
  /**
   * Whether it is stopped now, whatever the day asked for (`StopService`): one can apply as
   * before, and a person decides.
   */
  stopped?: boolean;
}

/** That somebody may act for the person who applies (代办). */
export interface Representation {
  /** `agent`, by a mandate (`MandateService`), or `guardian`, if a register vouches for it. */
  capacity?: string;
  /** The law. */
  legalBasis?: string;
}

/** What `MakeOffers` is asked. */
export interface MakeOffersRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /**
   * About whom: from 10, so that a count tells of nobody, to 100 residents (`resident_id`), each
   * once.
   */
  subjects: Document[];
}

/** What `MakeOffers` answers. */
export interface MakeOffersResponse {
  /** About how many of them registers were asked. */
  asked?: number;
  /** How many of them have an offer by this request. */
  offered?: number;
}

/** What `ListOffers` is asked. */
export interface ListOffersRequest {
  /** Who asks about themselves. */
  person: Person;
}

/** What `ListOffers` answers. */
export interface ListOffersResponse {
  /** At most one a matter, the newest first. */
  offers?: Offer[];
}

/** What `DeclineOffer` is asked. */
export interface DeclineOfferRequest {
  /** The offer; a declined one, too, to change `ask_again`. */
  offerId: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Who declines. */
  person: Person;
  /** Whether the matter may be offered to them again. */
  askAgain?: boolean;
}

/** What `DeclineOffer` answers. */
export interface DeclineOfferResponse {
  /** The offer, declined. */
  offer?: Offer;
}

/** How it stands. */
export type OfferState = "STATE_OPEN" | "STATE_DECLINED";

/** What somebody is offered. It is no decision and gives no right. */
export interface Offer {
  /** 128 random bits in hexadecimal; for `DecideRequest.offer_id`. */
  offerId?: string;
  /** How it stands. */
  state?: OfferState;
  /** The matter. */
  matter?: string;
  /** First day of the release by whose rules it was found. */
  rulesEffectiveDate?: Day;
  /** When it was made. */
  time?: Timestamp;
  /** The last civil day on which it can be agreed to. */
  untilDate?: Day;
  /** What an application would be granted, if nothing has changed by then. */
  grant?: Granted[];
  /** Why, with the facts used, who vouches for them, and the law. */
  reasons?: Reason[];
  /** Which registers were asked. */
  evidence?: EvidenceSummary[];
  /** Fields of the form that are asked of the person when they agree. */
  declaredFields?: string[];
  /** All of it in words, with how to agree and how to decline, and that silence does nothing. */
  notice?: Text;
  /** Whether they may be offered the matter again; of a declined one alone. */
  askAgain?: boolean;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What `Prefill` is asked. */
export interface PrefillRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller for this request. */
  requestId: string;
  /** The case to go on with; empty for a new one. */
  caseId?: string;
  /** Where the applicant is: one of the matter's channels, e.g. `portal`. */
  channel: string;
  /**
   * Who takes part. The first is the person who files, as `applicant`; for a matter that
   * organisations apply for, one more is the `organisation`, whose case it then is. Who acts for a
   * person is one more, as `agent` or `guardian`; grants, limits and records are the person's.
   */
  parties: Party[];
  /** Who stands behind the request. */
  authority: Authority;
  /**
   * The declared fields that are filled in so far, by key. Some registers find by one of them
   * (`Matter.prefill_answers`): they are asked once it is here, so call again, with the same
   * `case_id`, when the applicant has filled it in.
   */
  answers?: Record<string, Value>;
}

/** One message of the stream: first `started`, one `evidence` a register, last `completed`. */
export interface PrefillResponse {
  /** The access is recorded and the registers are being asked. */
  started?: PrefillStarted;
  /** One register has answered, or its time is over. */
  evidence?: EvidenceArrived;
  /** The whole form, recorded. */
  completed?: PrefillCompleted;
}

/** The access is recorded and the registers are being asked. */
export interface PrefillStarted {
  /** The case; send it with `Decide`. */
  caseId?: string;
  /** 办件编号, for people to read and say. */
  caseNumber?: string;
  /** First day of the release. */
  rulesEffectiveDate?: Day;
  /**
   * The evidence types that are being asked, or will be as soon as another has answered. One
   * that hangs on an answer which does not come is in the end not asked, and has no message.
   */
  evidenceTypes?: string[];
}

/** One register has answered, or its time is over. */
export interface EvidenceArrived {
  /** Which, and what. */
  evidence?: EvidenceSummary;
  /** The fields that it fills; empty if it vouches for nothing. */
  fields?: PrefilledField[];
}

/** The whole form, recorded. */
export interface PrefillCompleted {
  /** Every field of the form that a register can fill, in the order of the form. */
  fields?: PrefilledField[];
  /** Keys of the fields that the applicant fills, in the order of the form. */
  declaredFields?: string[];
  /** Where the entry stands in the trail. */
  receipt?: Receipt;
  /** Papers that the applicant need not bring, because evidence has taken their place (免交材料). */
  replaced?: ReplacedDocument[];
}

/** One field of the form, locked: it is read again when the application is decided. */
export interface PrefilledField {
  /** Its key in the form. */
  key?: string;
  /** The concept that it shows. */
  concept?: string;
  /** Its name. */
  name?: Text;
  /** Its value; unset if it is not known. */
  value?: Value;
  /** Its value in words, with the unit or the option's name; empty if it is not known. */
  display?: Text;
  /** The evidence type that vouches for it. */
  evidenceType?: string;
  /** The instant for which the register vouches; unset if it is not known. */
  asOfTime?: Timestamp;
  /** Why it is not known, e.g. `UNAVAILABLE`; empty if it is known. */
  why?: string;
  /** What registers say that do not agree; unset unless `why` is `CONTRADICTED`. */
  contradiction?: Contradiction;
}

/** By which law something is done, and why; readable for ever. */
export interface Justification {
  /** The article, e.g. `个人信息保护法 第四十七条`; at most 200 characters. */
  legalBasis: string;
  /** Why, in words and without telling who; at most 500 characters. */
  reason: string;
}

/** Why somebody is erased (个人信息保护法 47). */
export type ErasePersonRequestGround = "GROUND_PURPOSE_ENDED" | "GROUND_CONSENT_WITHDRAWN" | "GROUND_UNLAWFUL" | "GROUND_ORDER";

/** What `ErasePerson` is asked. */
export interface ErasePersonRequest {
  /** Who. */
  subject: Document;
  /** On which ground. */
  ground: ErasePersonRequestGround;
  /** By which law, and why. */
  justification: Justification;
}

/** What `ErasePerson` answers. */
export interface ErasePersonResponse {
  /** Index of the entry that records it. */
  index?: Int64;
  /** How many entries no longer tell who. */
  erasedEntries?: number;
}

/** What `PlaceHold` is asked. */
export interface PlaceHoldRequest {
  /** Everything about somebody. */
  subject?: Document;
  /** Everything about a case. */
  caseId?: string;
  /** Everything about a matter. */
  matter?: string;
  /** By which law, and why. */
  justification: Justification;
}

/** What `PlaceHold` answers. */
export interface PlaceHoldResponse {
  /** Index of the entry that records it: the name of the hold. */
  index?: Int64;
}

/** What `LiftHold` is asked. */
export interface LiftHoldRequest {
  /** Index of the entry that placed it. */
  index: Int64;
  /** By which law, and why. */
  justification: Justification;
}

/** What `LiftHold` answers. */
export interface LiftHoldResponse {
  /** Index of the entry that records it. */
  index?: Int64;
}

/** What `ListHolds` is asked. */
export interface ListHoldsRequest {
}

/** What `ListHolds` answers. */
export interface ListHoldsResponse {
  /** The oldest first. */
  holds?: Hold[];
}

/** A hold that is in force. */
export interface Hold {
  /** Index of the entry that placed it. */
  index?: Int64;
  /** When. */
  time?: Timestamp;
  /** Who placed it: subject of the caller's token. */
  caller?: string;
  /** By which law, and why. */
  justification?: Justification;
  /** The case; empty if it covers something else. */
  caseId?: string;
  /** The matter; likewise. */
  matter?: string;
  /** Whether it covers a person; who it is stands in the sealed part of its entry. */
  person?: boolean;
}

/** What `ApplyRetention` is asked. */
export interface ApplyRetentionRequest {
  /** By which law, and why. */
  justification: Justification;
  /** Whether nothing is erased, and only told what would be (AIP-163). */
  validateOnly?: boolean;
}

/** Entries whose term was over, by kind and matter. */
export interface ApplyRetentionResponseOverdue {
  /** What happened, without version, e.g. `access`. */
  kind?: string;
  /** The matter; empty if they are about none. */
  matter?: string;
  /** Those that were last changed before then are erased. */
  keptSinceTime?: Timestamp;
  /** How many there were. */
  entries?: Int64;
}

/** What `ApplyRetention` answers. */
export interface ApplyRetentionResponse {
  /** What was erased, or would be. */
  overdue?: ApplyRetentionResponseOverdue[];
  /** Whether there is more to erase: call again. */
  more?: boolean;
}

/** What `RecordDisclosure` is asked. */
export interface RecordDisclosureRequest {
  /**
   * Who will be able to read it: an age public key (X25519), e.g. `age1…`; at most 100 characters.
   * Readable for ever.
   */
  recipient: string;
  /** Entries of this matter alone; empty for all. */
  matter?: string;
  /** Index of the first entry. */
  firstIndex?: Int64;
  /** Index of the first entry that is not given any more; 0 means all up to this call's own. */
  endIndex?: Int64;
  /** By which law, and why. */
  justification: Justification;
}

/** What `RecordDisclosure` answers. */
export interface RecordDisclosureResponse {
  /** Index of the entry that records it. */
  index?: Int64;
}

/** What `RenewMasterKey` is asked. */
export interface RenewMasterKeyRequest {
}

/** What `RenewMasterKey` answers. */
export interface RenewMasterKeyResponse {
  /** Index of the entry that records the end; 0 while there is more to do. */
  index?: Int64;
  /** Whether it is not done yet: call again. */
  more?: boolean;
}

/** What `StopMatter` is asked. */
export interface StopMatterRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Why, for colleagues and auditors; nothing about anybody. */
  reason: string;
}

/** What `StopMatter` answers. */
export interface StopMatterResponse {
  /** The stop. */
  stop?: Stop;
}

/** What `ResumeMatter` is asked. */
export interface ResumeMatterRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Why it can go on, for colleagues and auditors; nothing about anybody. */
  reason: string;
}

/** What `ResumeMatter` answers. */
export interface ResumeMatterResponse {
  /** Whether the stop is lifted; if not, a second person is waited for. */
  lifted?: boolean;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What `ListStops` is asked. */
export interface ListStopsRequest {
}

/** What `ListStops` answers. */
export interface ListStopsResponse {
  /** The stops in force. */
  stops?: Stop[];
}

/** What `ReopenDecisions` is asked. */
export interface ReopenDecisionsRequest {
  /** Id of the matter. */
  matter: string;
  /** A UUID4 of the caller; it names this request for ever. */
  requestId: string;
  /** Why, for every applicant to read, in both languages; nothing about anybody. */
  reason: Text;
  /**
   * Which decisions of the matter; as in `TrailService.ListEntries`, e.g.
   * `release = "old_age_allowance@2019-10-01" AND requirements.R2 = met`. Empty for all.
   */
  filter?: string;
  /**
   * A release, as `TrailService.SimulateRelease` takes it: only decisions that it would have made
   * otherwise, or of which it cannot be told. Empty for all that match.
   */
  release?: Base64;
}

/** How far it is: sent a few times a second, and last when it ends. */
export interface ReopenDecisionsResponse {
  /** How many were looked at. */
  done?: Int64;
  /** How many there were when it began. */
  total?: Int64;
  /** How many persons decide again, by this request. */
  reopened?: Int64;
  /**
   * How many were passed over, by why: `SAME` (the release would have decided the same), `OPEN`
   * (the case is with a person already, or not decided), `SUPERSEDED` (a person or a later
   * application has had the last word, or the grant has ended or changed), `OWN` (who asks takes
   * part in it), `ERASED` (on the person's demand) or `TAMPERED` (the sealed part is not what was
   * recorded: see what has happened there).
   */
  passedOver?: Record<string, Int64>;
  /** Index of the last one; -1 before the first. */
  lastIndex?: Int64;
}

/** That a matter is stopped. */
export interface Stop {
  /** The matter. */
  matter?: string;
  /** Since when; since the last word on it, if there were several. */
  time?: Timestamp;
  /** Why. */
  reason?: string;
  /** Who has said so: the account. */
  caller?: string;
  /** Whether somebody has proposed to lift it, and a second person is waited for. */
  liftProposed?: boolean;
  /** Where it stands in the trail. */
  receipt?: Receipt;
}

/** What `ListEntries` is asked. */
export interface ListEntriesRequest {
  /** At most so many entries; 0 means 50, more than 500 means 500. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
  /**
   * Which entries (AIP-160), e.g.
   * `release = "old_age_allowance@2019-10-01" AND outcome = referred AND reasons:REQUIREMENT_UNKNOWN`.
   *
   * Fields: `index`, `time` (an instant, or a day of the city: its beginning), `type` (`decision`
   * or `decision/1`), `matter`, `release` (its name or its digest in hexadecimal), `outcome`,
   * `channel`, `caller`, `case_id`; `reasons:CODE`; `requirements:R1` and
   * `requirements.R1 = not_met`. Operators: `=` and `!=`, with `<`, `<=`, `>`, `>=` for `index`
   * and `time`; `AND`, `OR` (which binds tighter), `NOT`, `-` and brackets. At most 2,000
   * characters; empty for all entries.
   */
  filter?: string;
  /** Only entries about who has this document; unset for everybody. What was erased is not found. */
  subject?: Document;
}

/** What `ListEntries` answers. */
export interface ListEntriesResponse {
  /** The newest first. */
  entries?: Entry[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** What `GetEntry` is asked. */
export interface GetEntryRequest {
  /** The entry's index; the first is 0. */
  index: Int64;
}

/** How much of the sealed part is here. */
export type GetEntryResponseSealing = "SEALING_MASKED" | "SEALING_WITHHELD" | "SEALING_ERASED";

/** What `GetEntry` answers. */
export interface GetEntryResponse {
  /** What is kept for ever. */
  entry?: Entry;
  /** How much of the sealed part is here. */
  sealing?: GetEntryResponseSealing;
  /** The sealed part as JSON, masked; empty unless `SEALING_MASKED`. */
  sealedJson?: string;
  /** Who it is about, masked, e.g. `resident_id:990***********0014`; empty if nobody, or not here. */
  subject?: string;
}

/** What `GetCaseTimeline` is asked. */
export interface GetCaseTimelineRequest {
  /** The case: its id, or its number as notices have it (办件编号), e.g. `20261124-7K3M-9QXW`. */
  caseId: string;
  /** At most so many entries; 0 means 100, more than 500 means 500. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same case; empty for the first page. */
  pageToken?: string;
}

/** What `GetCaseTimeline` answers. */
export interface GetCaseTimelineResponse {
  /** How it stands, without its decisions. */
  case?: Case;
  /** Its entries, the oldest first. */
  entries?: Entry[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** What `ListAccesses` is asked. */
export interface ListAccessesRequest {
  /** Whose data. */
  subject: Document;
  /** At most so many accesses; 0 means 50, more than 500 means 500. */
  pageSize?: number;
  /** `next_page_token` of the page before, with the same other fields; empty for the first page. */
  pageToken?: string;
}

/** What `ListAccesses` answers. */
export interface ListAccessesResponse {
  /** The newest first. */
  accesses?: Access[];
  /** For the next page; empty on the last one. */
  nextPageToken?: string;
}

/** What `GetStats` is asked. */
export interface GetStatsRequest {
  /** Which decisions; as in `ListEntries`. */
  filter?: string;
}

/** What `GetStats` answers. */
export interface GetStatsResponse {
  /** One a release, by matter and digest. */
  releases?: ReleaseStats[];
  /** One a matter: all its releases together, with neither name nor digest. */
  matters?: ReleaseStats[];
}

/** What `ReplayDecision` is asked. */
export interface ReplayDecisionRequest {
  /** Index of the decision's entry. */
  index: Int64;
}

/** What `ReplayDecision` answers. */
export interface ReplayDecisionResponse {
  /** What came of it. */
  replay?: Replay;
}

/** What `ReplayDecisions` is asked. */
export interface ReplayDecisionsRequest {
  /** Which decisions; as in `ListEntries`, e.g. `index >= 100 AND index < 200`. */
  filter?: string;
}

/** How far a replay is: sent a few times a second, and last when it ends. */
export interface ReplayDecisionsResponse {
  /** How many were replayed so far. */
  done?: Int64;
  /** How many there were to replay when it began. */
  total?: Int64;
  /** How many of them came out the same. */
  reproduced?: Int64;
  /** Index of the last one; -1 before the first. */
  lastIndex?: Int64;
  /** Those since the message before that did not come out the same. */
  found?: Replay[];
}

/** What `SimulateRelease` is asked. */
export interface SimulateReleaseRequest {
  /**
   * The release, as it is archived: canonical JSON of its rule file, its matter, its form and the
   * meanings that they use. `miaopi rules simulate` composes it from the city's files.
   */
  release: Base64;
  /** Which decisions of its matter; as in `ListEntries`, e.g. `time >= 2026-01-01`. */
  filter?: string;
}

/**
 * How far a simulation is: sent a few times a second, and last when it ends. It tells of
 * everything since the call began.
 */
export interface SimulateReleaseResponse {
  /** How many were decided so far, or left out. */
  done?: Int64;
  /** How many there were when it began. */
  total?: Int64;
  /** How many would have come out the same. */
  unchanged?: Int64;
  /** Those that would not. */
  changes?: OutcomeChange[];
  /**
   * How many cannot be told of, by why: `PERSON` (something else than the rules referred it),
   * `EVIDENCE` (the release asks registers that were not asked), `ANSWERS` (its form has not the
   * fields that were answered), `ERASED` (on the person's demand), `RULES` (the release that it
   * was made under is not archived) or `TAMPERED` (its sealed part is not what was recorded).
   */
  leftOut?: Record<string, Int64>;
  /** Index of the last one; -1 before the first. */
  lastIndex?: Int64;
}

/** Decisions that would have come out otherwise, in the same way. */
export interface OutcomeChange {
  /** How they came out. */
  outcome?: string;
  /** How they would have. */
  simulatedOutcome?: string;
  /** Whether something else would have been granted; with the same outcome, that is the change. */
  grantDiffers?: boolean;
  /** How many. */
  decisions?: Int64;
  /** Indices of the first of them, at most ten. */
  examples?: Int64[];
}

/** What is kept of an entry for ever; nothing in it tells who. */
export interface Entry {
  /** Its place in the trail; the first is 0. */
  index?: Int64;
  /** What happened, with its version, e.g. `decision/1`. */
  type?: string;
  /** A UUID4. */
  id?: string;
  /** When, as the service claims; the order comes from the index. */
  time?: Timestamp;
  /** The matter; empty if it is about none. */
  matter?: string;
  /** The release, e.g. `old_age_allowance@2019-10-01`; empty if none, or it is published no more. */
  release?: string;
  /** SHA-256 of the release, 32 bytes; empty if none. */
  releaseDigest?: Base64;
  /** `approved`, `refused`, `referred`, `needs_correction` or `waiting`; empty if no decision. */
  outcome?: string;
  /** The case; empty if none. */
  caseId?: string;
  /** Where the applicant was; empty if there was none. */
  channel?: string;
  /** Subject of the caller's token. */
  caller?: string;
  /** Status of each requirement: `met`, `not_met` or `unknown`. */
  requirements?: Record<string, string>;
  /** Codes of the reasons. */
  reasons?: string[];
  /** Whether its sealed part was erased on the person's demand. */
  erased?: boolean;
  /** RFC 6962 hash of the permanent part, 32 bytes. */
  leafHash?: Base64;
  /** The whole permanent part as JSON. */
  permanentJson?: string;
}

/** Somebody asked for a person's data. */
export interface Access {
  /** Index of its entry. */
  index?: Int64;
  /** When. */
  time?: Timestamp;
  /** Who: subject of the caller's token. */
  caller?: string;
  /** In which role; empty for those who act for applicants. */
  role?: string;
  /**
   * For what: `prefill`, `decide`, `waiting`, `interrupted` (registers may have been asked by a
   * process that died over it), or `trail` for a question to this service.
   */
  flow?: string;
  /** The question to this service, e.g. `GetEntry`; empty for other flows. */
  method?: string;
  /** The matter; empty if none. */
  matter?: string;
  /** The case; empty if none. */
  caseId?: string;
  /** Where the applicant was; empty if there was none. */
  channel?: string;
  /** Registers that were about to be asked. */
  evidenceTypes?: string[];
  /** Purpose that was stated to them, and the law. */
  purposes?: string[];
}

/** Decisions of a matter, under one release or under all. Shares follow from the counts, exactly. */
export interface ReleaseStats {
  /** The matter. */
  matter?: string;
  /** The release; empty if it is published no more. */
  release?: string;
  /** SHA-256 of the release, 32 bytes. */
  releaseDigest?: Base64;
  /** How many decisions. */
  decisions?: Int64;
  /** How many came out which way. */
  outcomes?: Record<string, Int64>;
  /**
   * How many cases were ended by the machine: approved or refused. The automatic share is this
   * over itself plus `outcomes["referred"]`.
   */
  automatic?: Int64;
  /** How many were referred for which reason; one decision can have several. */
  referralReasons?: Record<string, Int64>;
  /**
   * From a case's first decision to the one that ends it or refers it to a person: half of the
   * cases took no longer than this.
   */
  medianDuration?: Duration;
  /** Nine in ten took no longer than this. */
  percentile90Duration?: Duration;
  /** None took longer than this. */
  longestDuration?: Duration;
  /** What persons decided, by outcome; no part of `decisions`. */
  determinations?: Record<string, Int64>;
  /**
   * How many of those went against the rules, or against an earlier decision; the override rate is
   * this over all of `determinations`. `GetOverrideStats` tells by matter, reason and clerk.
   */
  overrides?: Int64;
  /**
   * From a case's first decision to the one by which a person first ended it: half of those cases
   * took no longer than this.
   */
  medianDeterminationDuration?: Duration;
  /** Nine in ten took no longer than this. */
  percentile90DeterminationDuration?: Duration;
  /** None took longer than this. */
  longestDeterminationDuration?: Duration;
  /**
   * How many approvals and refusals, by rules or persons, no longer stand as they were made,
   * whenever that came. The overturn rate is this over all approvals and refusals of `outcomes`
   * and `determinations`.
   */
  overturned?: Int64;
  /**
   * How many of those were overturned by what; one can be by several. `override`: a person has
   * decided the case otherwise since (a refusal that stays one is upheld). `revoke` (撤销) and
   * `correct` (更正): it was wrong when it was made. `withdraw` (撤回) and `change` (变更): the facts
   * or the law have changed since.
   */
  overturns?: Record<string, Int64>;
}

/** What came of it. */
export type ReplayResult = "RESULT_REPRODUCED" | "RESULT_DIVERGED" | "RESULT_NOT_REPLAYABLE";

/** What came of deciding a case again. */
export interface Replay {
  /** Index of the decision's entry. */
  index?: Int64;
  /** What came of it. */
  result?: ReplayResult;
  /** Where the first difference is, e.g. `outcome.grant[0].value.number`; empty unless diverged. */
  difference?: string;
  /** What is recorded there, as JSON; empty unless diverged and the caller is an auditor. */
  recordedJson?: string;
  /** What the rules say today, as JSON; likewise. */
  replayedJson?: string;
  /**
   * `ERASED`, `RULES` (the release is not archived), `ENGINE` (it was referred because the engine
   * broke, and it does not break today), `TYPE` (no decision) or `TAMPERED` (the sealed part, or
   * the archived release, is not what was recorded); empty unless not replayable.
   */
  why?: string;
}
