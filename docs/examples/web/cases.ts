// What the workspace shows. All of it is invented.

export type FileType = "email" | "memo" | "contract" | "minutes";

export interface CaseDocument {
  readonly id: string;
  readonly subject: string;
  /** ISO 8601, without a time. */
  readonly date: string;
  readonly custodian: string;
  readonly type: FileType;
  readonly tags: readonly string[];
  readonly paragraphs: readonly string[];
}

export interface Case {
  /** Names the case in events, so it says nothing about anybody. */
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly documents: readonly CaseDocument[];
}

export const cases: readonly Case[] = [
  {
    id: "case-204",
    title: "Harbour crane",
    summary: "A crane was paid for in three parts. Only two of them were delivered.",
    documents: [
      {
        id: "doc-2041",
        subject: "Offer for the quay crane, third version",
        date: "2025-02-03",
        custodian: "Odile Marchetti",
        type: "contract",
        tags: ["key", "financial"],
        paragraphs: [
          "One quay crane of forty tonnes, paid in three parts: at the order, for the jib, after the load test.",
          "The counterweight plates are part of the price. Where the quay needs reinforcement, the port pays for it.",
          "This offer takes the place of the second version, which named two payments only.",
        ],
      },
      {
        id: "doc-2042",
        subject: "Re: who signs for the second payment",
        date: "2025-03-18",
        custodian: "Ruben Aldous",
        type: "email",
        tags: ["financial"],
        paragraphs: [
          "The jib has not been unloaded yet. Let us wait with the second payment until it is on the quay.",
          "If the yard insists, please let me have the clause that makes the date of the invoice count.",
        ],
      },
      {
        id: "doc-2043",
        subject: "Delivery note, jib and slewing ring",
        date: "2025-03-27",
        custodian: "Harbour office",
        type: "memo",
        tags: ["key"],
        paragraphs: [
          "Received on the north quay: one jib in two sections, one slewing ring, four crates of fittings.",
          "Not received: counterweight plates. The carrier's list names them, the crates do not hold them.",
        ],
      },
      {
        id: "doc-2044",
        subject: "Missing counterweight plates",
        date: "2025-03-28",
        custodian: "Odile Marchetti",
        type: "email",
        tags: ["key"],
        paragraphs: [
          "The counterweight plates were never loaded. The yard speaks of a second lorry; the gate knows of none.",
          "Without them there can be no load test, and without the load test nothing of the third payment is due.",
        ],
      },
      {
        id: "doc-2045",
        subject: "Minutes, site meeting on the north quay",
        date: "2025-04-09",
        custodian: "Ruben Aldous",
        type: "minutes",
        tags: [],
        paragraphs: [
          "The yard asks for the third payment now and offers a guarantee. The port declines until the load test.",
          "Agreed: an independent surveyor looks at the foundations before the end of the month.",
        ],
      },
      {
        id: "doc-2046",
        subject: "Third payment released",
        date: "2025-04-22",
        custodian: "Treasury",
        type: "memo",
        tags: ["key", "financial"],
        paragraphs: [
          "The third payment was released today on the strength of a load test certificate dated 11 April.",
          "The certificate was received as a copy. The original is to follow.",
        ],
      },
      {
        id: "doc-2047",
        subject: "Surveyor's letter about the load test",
        date: "2025-05-06",
        custodian: "Harbour office",
        type: "memo",
        tags: ["key", "privileged"],
        paragraphs: [
          "No load test took place on 11 April. The crane had no counterweight then and could not lift anything.",
          "The signature on the certificate is not that of the surveyor whose name stands below it.",
        ],
      },
      {
        id: "doc-2048",
        subject: "Lunch on Thursday",
        date: "2025-05-07",
        custodian: "Ruben Aldous",
        type: "email",
        tags: [],
        paragraphs: ["The place by the lock is closed. Shall we take the bakery instead, a quarter past twelve?"],
      },
    ],
  },
  {
    id: "case-311",
    title: "Meridian invoices",
    summary: "Invoices for advice that nobody remembers, all of them just below the limit for a second signature.",
    documents: [
      {
        id: "doc-3111",
        subject: "Framework agreement, advisory services",
        date: "2024-09-02",
        custodian: "Legal department",
        type: "contract",
        tags: ["key"],
        paragraphs: [
          "Meridian advises on request. Each piece of advice is ordered in writing and delivered as a report.",
          "Invoices above 10,000 need a second signature. Invoices are paid within fourteen days.",
        ],
      },
      {
        id: "doc-3112",
        subject: "Invoice 17, market study",
        date: "2024-11-14",
        custodian: "Accounts payable",
        type: "memo",
        tags: ["financial"],
        paragraphs: ["Market study for the northern region, 9,900. Paid on 21 November. The study is not attached."],
      },
      {
        id: "doc-3113",
        subject: "Invoice 18, market study, second part",
        date: "2024-11-28",
        custodian: "Accounts payable",
        type: "memo",
        tags: ["financial", "key"],
        paragraphs: ["Second part of the market study, 9,950. Paid on 29 November. No order was found for it."],
      },
      {
        id: "doc-3114",
        subject: "Where are the reports?",
        date: "2024-12-05",
        custodian: "Ines Halloran",
        type: "email",
        tags: ["key"],
        paragraphs: [
          "I asked three departments. Nobody has seen a report from Meridian or remembers to have asked.",
          "Both invoices were approved by the same person on the day on which they came in.",
        ],
      },
      {
        id: "doc-3115",
        subject: "Re: Where are the reports?",
        date: "2024-12-06",
        custodian: "Piet Vandermeer",
        type: "email",
        tags: ["privileged"],
        paragraphs: ["Please do not write about this to anybody else for the moment. I am coming by at eleven."],
      },
      {
        id: "doc-3116",
        subject: "Minutes, audit committee",
        date: "2025-01-16",
        custodian: "Legal department",
        type: "minutes",
        tags: ["privileged"],
        paragraphs: [
          "The committee notes eleven invoices below the limit, 108,000 in all, from September to December.",
          "Payments to Meridian are stopped. The contract stays until the reports have been asked for again.",
        ],
      },
    ],
  },
  {
    id: "case-127",
    title: "Quarry survey",
    summary: "Two surveys of one quarry differ by a third. The lease is paid by the tonne.",
    documents: [
      {
        id: "doc-1271",
        subject: "Survey by drone, spring",
        date: "2025-04-30",
        custodian: "Survey office",
        type: "memo",
        tags: ["key"],
        paragraphs: ["The volume that was taken out since last year is 412,000 cubic metres, to within two per cent."],
      },
      {
        id: "doc-1272",
        subject: "Weighbridge totals",
        date: "2025-05-12",
        custodian: "Quarry office",
        type: "memo",
        tags: ["financial"],
        paragraphs: [
          "The weighbridge has 690,000 tonnes for the same year. At the usual density that is 276,000 cubic metres.",
          "The weighbridge was out of order on nineteen days. Lorries were counted by hand then.",
        ],
      },
      {
        id: "doc-1273",
        subject: "Lease of the quarry",
        date: "2019-06-01",
        custodian: "Legal department",
        type: "contract",
        tags: ["key", "financial"],
        paragraphs: ["The rent is owed for each tonne that passes the weighbridge. What does not pass it is not owed."],
      },
      {
        id: "doc-1274",
        subject: "Who opens the south gate at night",
        date: "2025-05-20",
        custodian: "Ines Halloran",
        type: "email",
        tags: ["key"],
        paragraphs: [
          "Two drivers say that the south gate is open on most nights. There is no weighbridge at the south gate.",
        ],
      },
    ],
  },
];
