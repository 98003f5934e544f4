"""Who wrote what in the invented matter of the Northwind harbour crane. `generate.py` makes the mailbox of it."""

PEOPLE = {
    "maria": ("Maria Keller", "maria.keller@example.com"),
    "jonas": ("Jonas Brandt", "jonas.brandt@example.com"),
    "aylin": ("Aylin Demir", "aylin.demir@example.com"),
    "piet": ("Piet van Aalst", "piet.vanaalst@example.com"),
    "soeren": ("Søren Falk", "soren.falk@example.org"),
    "ines": ("Inês Duarte", "ines.duarte@example.org"),
}

SIGNATURES = {
    "maria": "Maria Keller\nProcurement, Northwind Port Services",
    "jonas": "Jonas Brandt\nFinance, Northwind Port Services",
    "aylin": "Aylin Demir\nLegal, Northwind Port Services",
    "piet": "Piet van Aalst\nTerminal operations, Northwind Port Services",
    "soeren": "Søren Falk\nSales, Falk Cranes",
    "ines": "Inês Duarte\nProject engineering, Falk Cranes",
}

# A thread: the mailbox it lies in, its subject, its messages. A message: local time, sender, recipients, carbon
# copies, text, and how it is written down ("plain" if nothing is said; see generate.py). Replies quote what they
# answer.
THREADS = [
    ("finance", "Offer for a ship-to-shore crane, berth 4", [
        ("2019-03-04 09:12", "soeren", ["maria"], ["ines"],
         "Dear Ms Keller,\n\nas agreed at the fair, our offer for the crane at berth 4 is attached. The price holds until "
         "the end of May. Delivery would be eleven months after the order.", "pdf"),
        ("2019-03-06 14:40", "maria", ["soeren"], [],
         "Dear Mr Falk,\n\nthank you. Before I take it further: is the rail included, and who carries the risk while the "
         "parts lie on our quay?"),
        ("2019-03-07 08:55", "soeren", ["maria"], ["ines"],
         "The rail is included, the risk is ours until the acceptance test is signed. Ms Duarte can answer anything about "
         "the foundation.", "quoted-printable"),
        ("2019-03-11 16:02", "maria", ["jonas"], [],
         "Jonas, can the budget carry this? I would need a line by the end of the month."),
    ]),
    ("finance", "Budget line 2019-114: crane at berth 4", [
        ("2019-04-01 10:20", "jonas", ["aylin"], [],
         "Aylin, I opened line 2019-114 with 4.2 million. Before we sign I need to know what we can hold back if the crane "
         "comes late."),
        ("2019-04-02 11:31", "aylin", ["jonas"], [],
         "Ten per cent until acceptance is usual. I would add a penalty per week of delay and cap it at five per cent."),
        ("2019-04-02 15:05", "jonas", ["aylin"], ["piet"],
         "Agreed. Piet, please tell us what a week without the crane costs the terminal, so that the penalty has a reason.",
         "alternative"),
    ]),
    ("finance", "Contract, third draft", [
        ("2019-06-12 09:03", "aylin", ["jonas"], [],
         "The third draft is in the shared folder. Section 8 now says what acceptance means: thirty days of work at full "
         "load without a stop that the maker is to blame for."),
        ("2019-06-12 17:48", "jonas", ["aylin"], [],
         "Section 8 is good. In section 11 the instalments do not add up: 30, 40 and 25 make 95."),
        ("2019-06-14 10:10", "aylin", ["soeren"], ["maria"],
         "Dear Mr Falk,\n\nhere is our draft with the instalments corrected (30, 40, 20, and 10 after acceptance). Please "
         "let me have your remarks by the end of next week.", "alternative"),
        ("2019-06-19 13:22", "soeren", ["aylin"], [],
         "Dear Ms Demir,\n\nwe can accept everything but the penalty in section 9. One per cent a week is more than our "
         "margin bears. Could we say half?", "base64"),
    ]),
    ("terminal", "Foundation drawings, berth 4", [
        ("2019-09-03 08:30", "ines", ["piet"], [],
         "Piet, the loads per wheel are in the table. The landside rail needs piles every 1.4 metres, the waterside rail "
         "can stay as it is.", "csv"),
        ("2019-09-04 09:45", "piet", ["ines"], [],
         "Are these loads with wind? We had 140 km/h here in 2013 and the old crane moved a hand's width."),
        ("2019-09-04 12:12", "ines", ["piet"], [],
         "With wind, out of service, storm pins set. Without the pins it would move too.", "quoted-printable"),
        ("2019-09-05 07:58", "piet", ["jonas"], [],
         "Jonas, the piles are not in the budget line, as far as I can see. Somebody has to pay for 62 of them."),
    ]),
    ("finance", "Advance payment of 30 %", [
        ("2019-11-04 10:00", "jonas", ["soeren"], [],
         "Dear Mr Falk,\n\nthe first instalment goes out on Friday. Please send the bank's guarantee before that."),
        ("2019-11-05 11:17", "soeren", ["jonas"], [],
         "The guarantee left our bank yesterday. From what they say it takes two days.\nFrom our side nothing is missing."),
        ("2019-11-08 16:30", "jonas", ["soeren"], [],
         "Received and paid. Thank you."),
    ]),
    ("terminal", "Delivery slips to May", [
        ("2020-02-10 09:00", "soeren", ["maria", "piet"], [],
         "Dear all,\n\nour yard lost three weeks to a strike. The crane will leave in the middle of May and not in March. I "
         "know what the contract says about that and would like to talk before anybody writes letters.", "alternative"),
        ("2020-02-10 15:26", "maria", ["soeren"], ["jonas"],
         "I am sorry to hear that. Please name a date in writing, with what you do to keep it. The penalty is in the "
         "contract for both our sakes."),
        ("2020-02-11 07:40", "piet", ["jonas"], [],
         "For your file: the old crane has to hold until June then. The yearly inspection said April."),
        ("2020-02-11 10:05", "jonas", ["maria"], [],
         "Piet tells me the old crane is only good until April. Please put that into the letter, it is a damage that we can "
         "put a number on."),
    ]),
    ("terminal", "Crew during assembly", [
        ("2020-05-18 08:10", "piet", ["ines"], [],
         "We can give you six people in the early shift and four in the late one. Nobody works under the boom while it is "
         "lifted, whatever your foreman says."),
        ("2020-05-18 09:02", "ines", ["piet"], [],
         "Understood. Our foreman will say the same thing, more loudly."),
        ("2020-05-25 17:55", "piet", ["ines"], [],
         "Good work this week. The café at gate 2 sends its regards and a bill.", "quoted-printable"),
    ]),
    ("terminal", "Acceptance test, first run", [
        ("2020-09-14 18:20", "ines", ["piet"], ["soeren"],
         "Day 9: two stops, both from the spreader's sensor. We change the cable tonight."),
        ("2020-09-15 07:35", "piet", ["maria", "aylin"], [],
         "Four stops by now, not two. The log of the crane has them all, the report of Falk has half. I keep my own list."),
        ("2020-09-15 09:50", "aylin", ["piet"], [],
         "Please keep that list with times and names, and do not sign anything that says thirty days without a stop."),
        ("2020-09-15 11:11", "maria", ["piet"], [],
         "Piet, what do your people say: is it the cable, or is it the crane?"),
    ]),
    ("terminal", "Noise at full trolley speed", [
        ("2021-01-20 06:50", "piet", ["ines"], [],
         "Since the frost the trolley sings at more than 200 metres a minute. The drivers slow down to 150 by themselves."),
        ("2021-01-20 10:15", "ines", ["piet"], [],
         "That is the rail joint at bay 7, I think. Can somebody measure the gap?"),
        ("2021-01-21 13:00", "piet", ["ines", "soeren"], [],
         "4.5 mm on the left, 2 on the right. The drawing says 2 on both.", "alternative"),
        ("2021-01-22 08:45", "ines", ["piet"], [],
         "Then it was welded in the cold without being preheated. I will tell our people. Please drive slowly until then.",
         "base64"),
    ]),
    ("finance", "Invoice 2021-0387", [
        ("2021-03-01 09:30", "soeren", ["jonas"], [],
         "Dear Mr Brandt,\n\nplease find the invoice for the third instalment attached, 840,000 EUR, due in thirty days.",
         "pdf"),
        ("2021-03-02 10:44", "jonas", ["soeren"], [],
         "Dear Mr Falk,\n\nwe hold the invoice back until the rail joint is repaired. Section 11, second paragraph."),
        ("2021-03-02 10:52", "jonas", ["maria"], [],
         "I told Falk that we hold back the third instalment. Tell me if you see it differently."),
        ("2021-03-02 14:20", "maria", ["jonas"], [],
         "I don't. But I would have liked to call him first."),
    ]),
    ("finance", "Withheld instalment", [
        ("2021-06-07 08:58", "soeren", ["aylin"], [],
         "Dear Ms Demir,\n\nninety days have passed. Unless the third instalment is paid by the end of the month we shall "
         "ask a court to look at it, which I would regret.", "latin1"),
        ("2021-06-08 16:33", "aylin", ["soeren"], [],
         "Dear Mr Falk,\n\nthe joint at bay 7 was repaired twice and cracked twice. We shall pay when an expert whom both "
         "of us trust says that it holds."),
        ("2021-06-08 16:40", "aylin", ["maria", "jonas"], [],
         "For you only: I believe we are right about the joint and wrong about the whole amount. Please do not write to "
         "Falk about money until I have spoken with their lawyer."),
        ("2021-06-09 09:15", "jonas", ["aylin"], [],
         "Understood. I set 840,000 aside."),
    ]),
    ("finance", "Expert opinion on the trolley rail", [
        ("2022-02-14 11:00", "aylin", ["jonas"], [],
         "The expert wants 38,000 for three weeks. Half of it is Falk's if he finds what we think he finds."),
        ("2022-02-14 11:25", "jonas", ["aylin"], [],
         "Approved on line 2019-114, which has eleven thousand left, and on mine for the rest."),
        ("2022-02-15 08:05", "aylin", ["piet"], [],
         "Piet, the expert comes on the 28th and needs bay 7 for two days, without ships.", "alternative"),
        ("2022-02-15 08:30", "piet", ["aylin"], [],
         "Without ships it is the 1st and 2nd of March. Ships do not read letters from lawyers."),
    ]),
    ("terminal", "Prüfbericht Kranbahn, Feld 7", [
        ("2022-10-17 15:12", "piet", ["maria"], [],
         "Maria, der Prüfbericht ist da. Kurz gesagt: Schweißnaht ohne Vorwärmen, Risse auf 40 mm Länge, Austausch nötig. "
         "Größe und Lage stehen in der Tabelle.", "csv"),
        ("2022-10-17 16:40", "maria", ["piet"], [],
         "Danke. Hat Falk den Bericht schon? Wenn nicht, bitte noch nicht weitergeben.", "latin1"),
        ("2022-10-18 07:20", "piet", ["aylin"], [],
         "Aylin, here is what the expert says, in short: welded without preheating, cracks over 40 mm, the rail has to be "
         "replaced. Maria has the report."),
    ]),
    ("finance", "Settlement talks", [
        ("2023-05-09 10:30", "soeren", ["maria"], [],
         "Dear Ms Keller,\n\nwe have both paid enough lawyers. We replace the rail in bays 6 to 8 and you pay two thirds of "
         "the third instalment. Would that be something to talk about?"),
        ("2023-05-09 12:02", "maria", ["aylin"], [],
         "Falk offers a settlement, see below. I think it is fair. What do you think, and what may I say?",
         "alternative"),
        ("2023-05-10 09:09", "aylin", ["maria"], [],
         "You may say that we listen. Three quarters of the rail at their cost and a guarantee of five years, then two "
         "thirds is fine. Nothing in writing before the board has met."),
        ("2023-05-24 17:30", "aylin", ["jonas"], [],
         "The board agreed. Please prepare 560,000 EUR, to be paid when the rail is in."),
    ]),
    ("terminal", "Maintenance plan 2024", [
        ("2023-12-04 09:40", "ines", ["piet"], [],
         "The plan for next year is attached: four inspections, the one in March with the boom down.", "csv"),
        ("2023-12-04 13:15", "piet", ["ines"], [],
         "March is when the fruit comes. Make it the last week of February and we have a plan."),
        ("2023-12-05 08:00", "piet", ["jonas"], [],
         "Jonas, 96,000 for maintenance next year, a little less than this year. The new rail is quiet, by the way."),
    ]),
    ("terminal", "Cracks again, bay 6", [
        ("2024-08-19 06:42", "piet", ["aylin", "maria"], [],
         "The night shift found a crack in bay 6, 25 mm, next to the new weld. Photographs are on the drive. I have put "
         "the crane down to half speed."),
        ("2024-08-19 08:30", "aylin", ["piet"], [],
         "Please keep everything: log, photographs, the piece itself if it is cut out. The guarantee runs until 2028."),
        ("2024-08-20 10:18", "jonas", ["aylin"], [],
         "If this becomes a case again I need a number for the accounts by October."),
    ]),
    ("finance", "Archive of the crane project", [
        ("2025-03-10 14:00", "jonas", ["aylin"], [],
         "The mail of the crane project from 2019 would be deleted next year, seven years after. Do we still need it?"),
        ("2025-03-10 15:45", "aylin", ["jonas"], [],
         "As long as the guarantee can be argued about, yes. I shall ask for a legal hold on it."),
        ("2025-03-11 09:00", "aylin", ["maria"], [],
         "Maria, please delete nothing about berth 4, whatever the system asks you. A hold will be placed on your mailbox, "
         "and you will hear from me when it is over.", "alternative"),
    ]),
]
