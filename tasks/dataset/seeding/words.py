"""The words that seeded texts are put together from. Nothing but lists.

No text here holds a tab, a line break, a backslash or a double quote: they go into COPY text and
into JSON as they stand.
"""

from __future__ import annotations

from typing import Final

COMPANIES: Final = (
    "Acme", "Globex", "Initech", "Lindqvist", "Marlow", "Okoro", "Pinewood", "Quayside",
    "Redfern", "Solberg", "Tamarind", "Umbra", "Vesterbro", "Westlake", "Yarrow", "Zephyr",
    "Alder", "Birkeland", "Cobalt", "Dovetail", "Eastgate", "Fjord", "Granite", "Harbour",
    "Ivory", "Juniper", "Kestrel", "Larkspur", "Meridian", "Northgate", "Orchard", "Palisade",
    "Quarry", "Riverside", "Saltmarsh", "Thornton", "Upland", "Valencia", "Wren", "Yellowstone",
    "Amber", "Bramble", "Cinder", "Drift", "Ember", "Foxglove", "Garnet", "Heron",
    "Indigo", "Jasper", "Kelp", "Lantern", "Mosaic", "Nimbus", "Osprey", "Plover",
    "Rowan", "Sable", "Teal", "Willow",
)  # fmt: skip
TRADES: Final = (
    "Bicycles", "Gardens", "Logistics", "Bakery", "Instruments", "Textiles", "Carpentry",
    "Clinics", "Printing", "Roofing", "Coffee", "Ceramics", "Energy", "Books", "Catering",
    "Optics", "Shipping", "Paints", "Toys", "Tools", "Travel", "Lighting", "Plumbing", "Dairy",
    "Furniture", "Software", "Mills", "Consulting", "Events", "Surveying",
)  # fmt: skip

FIRST_NAMES: Final = (
    "Ada", "Ben", "Chloé", "Daniel", "Esra", "Farid", "Greta", "Hana", "Igor", "Jamila",
    "Kofi", "Léa", "Mateo", "Nadia", "Ondřej", "Priya", "Quentin", "Rosa", "Sören", "Tara",
    "Umberto", "Vera", "Wanda", "Ximena", "Yusuf", "Zoë", "Anton", "Beatriz", "Chidi", "Dorota",
    "Emil", "Fatima", "Gabriel", "Helena", "Imani", "Jonas", "Kirsten", "Lucía", "Milan", "Noor",
    "Oskar", "Paula", "Rania", "Stefan", "Thandi", "Ulla", "Viktor", "Wen", "Yara", "Zeynep",
    "Aisha", "Bjørn", "Carmen", "Dmitri", "Elif", "Finn", "Gloria", "Hugo", "Inés", "Jana",
)  # fmt: skip
LAST_NAMES: Final = (
    "Lind", "Okoro", "Moreau", "Weber", "Yılmaz", "Haddad", "Nyström", "Sato", "Petrov", "Abebe",
    "Mensah", "Dubois", "Silva", "Rahman", "Novák", "Nair", "Laurent", "Costa", "Krüger", "Walsh",
    "Ricci", "Larsen", "Kowalska", "Vega", "Demir", "de Vries", "Berg", "Santos", "Eze",
    "Zielińska", "Hansen", "Amari", "Rossi", "Horvat", "Mwangi", "Fischer", "Olsen", "García",
    "Jovanović", "Bakker", "Virtanen", "Mendes", "Khalil", "Popescu", "Dlamini", "Holm",
    "Ivanova", "Zhang", "Farah", "Aydın", "Bello", "Sørensen", "Ortega", "Volkov", "Kaya",
    "Murphy", "Ferreira", "Maier", "Castillo", "Dvořák",
)  # fmt: skip

LABELS: Final = (
    ("bug", "#d1495b"), ("idea", "#3d7ea6"), ("quick", "#66a182"), ("customer", "#8e5572"),
    ("waiting", "#c98b2b"), ("security", "#a4161a"), ("documentation", "#5b7553"),
    ("supplier", "#7d5ba6"), ("legal", "#495867"), ("design", "#e07a5f"), ("training", "#2a9d8f"),
    ("budget", "#b08968"), ("follow-up", "#577590"), ("café", "#6f4e37"), ("audit", "#34495e"),
    ("mobile", "#118ab2"), ("printing", "#9d6b53"), ("holiday", "#f4a261"), ("returns", "#bc4749"),
    ("energy", "#e9c46a"), ("accessibility", "#4361ee"), ("Q1", "#8a8f98"), ("Q2", "#7a8f98"),
    ("Q3", "#6a8f98"), ("Q4", "#5a8f98"), ("partner", "#9c6644"), ("Zürich", "#b5179e"),
    ("warehouse", "#606c38"), ("visitors", "#3a86ff"), ("spring clean", "#80b918"),
)  # fmt: skip

# A project: its key, its name, what it says of itself, the things that its
# tasks are about, and endings that only they have.
PROJECTS: Final = (
    ("WEB", "Web shop", "Everything that customers see and click.", (
        "checkout page", "delivery dates in the cart", "product photos", "article search",
        "order mail", "wish list", "size guide", "cookie notice", "returns form", "gift vouchers",
        "address book of customers", "page for spare parts",
    ), (" on small screens", " in the Danish shop")),
    ("OPS", "Operations", "What keeps the house running.", (
        "backup of the file server", "access cards", "meeting room screens", "printer on floor 2",
        "fire drill", "cleaning contract", "visitor badges", "spare laptops", "server room keys",
        "on-call rota", "emergency lights", "phone contracts",
    ), (" in the annex", " on the second floor")),
    ("FIN", "Finance", "Invoices, budgets and the yearly accounts.", (
        "invoice export", "travel expenses", "VAT report", "budget for next quarter",
        "payment reminders", "bank reconciliation", "price list", "cost centres", "asset register",
        "currency table", "credit notes", "yearly accounts",
    ), (" for rounding errors", " against last year's figures")),
    ("HR", "People", "Hiring, holidays, and how new colleagues settle in.", (
        "job advert for the workshop", "holiday calendar", "welcome pack", "first aid course",
        "interview questions", "part-time contracts", "apprentice plan", "exit checklist",
        "staff survey", "summer party", "salary bands", "parental leave guide",
    ), (" for the new apprentices", " with the works council")),
    ("STOCK", "Warehouse", "Goods in, goods out, and everything on the shelves between.", (
        "shelf labels", "inventory count", "goods-in desk", "forklift inspection",
        "packing station", "pallet returns", "minimum stock levels", "barcode scanners",
        "cold storage", "loading bay doors", "dangerous goods cupboard", "delivery slots",
    ), (" in hall 2", " on the night shift")),
    ("SALES", "Sales", "Offers, customers and fairs.", (
        "offer template", "customer list of the north region", "trade fair stand",
        "discount rules", "call notes", "reseller agreement", "spring catalogue",
        "reference letters", "sample orders", "sales forecast", "contact form", "loyalty scheme",
    ), (" for the Lisbon customers", " before the fair")),
    ("DATA", "Reports", "Numbers that somebody has to trust.", (
        "weekly sales report", "dashboard of open orders", "duplicate customers",
        "export to the tax adviser", "delivery statistics", "complaint figures", "web statistics",
        "article master data", "import of supplier prices", "archive of old orders",
        "monthly review slides", "map of postcodes",
    ), (" for missing weeks", " back to 2019")),
    ("HELP", "Customer care", "Questions, complaints, and answers worth keeping.", (
        "reply templates", "call-back list", "opening hours on the phone line", "warranty cases",
        "complaint about late parcels", "spare part requests", "chat hours", "damaged deliveries",
        "help pages", "survey after a repair", "refund rules", "letters from schools",
    ), (" on Saturdays", " for the Polish line")),
    ("BUILD", "Building works", "The new wing and what it needs.", (
        "roof of the north hall", "permit for the car park", "floor plan of the new office",
        "heating pump", "window quotes", "bicycle shelter", "ramp at the side door",
        "electrician's report", "acoustic panels", "paint for the stairwell", "rain gutters",
        "solar panels",
    ), (" with the architect", " before the first frost")),
    ("MKT", "Marketing", "How people hear of us.", (
        "newsletter", "photo session", "poster for the open day", "press text", "short film",
        "social media plan", "brochure in French", "customer story", "radio spot", "logo files",
        "banner at the station", "stand at the street fair",
    ), (" for the anniversary", " with the agency")),
    ("LAW", "Contracts", "Agreements, data protection and deadlines.", (
        "framework contract", "data protection register", "insurance policy", "lease of the annex",
        "terms of sale", "supplier declaration", "trademark renewal", "notice periods",
        "non-disclosure agreement", "waste disposal contract", "museum loan agreement",
        "list of powers of attorney",
    ), (" with our lawyer", " before it renews itself")),
    ("APP", "Mobile app", "The app for people on the move.", (
        "login screen", "push messages", "offline map", "camera permission", "dark colours",
        "crash report of old phones", "store listing", "language switch", "barcode view",
        "text sizes", "start-up time", "feedback form",
    ), (" on tablets", " in the next version")),
)  # fmt: skip
CHAPTERS: Final = ("", " North", " South", " East", " West", " Abroad", " Archive", " Pilot")

VERBS: Final = (
    "Check the", "Update the", "Plan the", "Clean up the", "Write down how we handle the",
    "Find out who looks after the", "Review the", "Replace the", "Translate the", "Test the",
    "Agree on the", "Ask for quotes on the", "Prepare the", "Move the", "Simplify the",
    "Collect feedback on the",
)  # fmt: skip
OCCASIONS: Final = (
    "", "", "", "", " before the audit", " after the last release", " for the Malmö office",
    " with the new supplier", " before the holidays", " once more",
    " together with Finance", " for the café", " in both languages", " before Friday's call",
    " and tell everyone about it", " as agreed in the team meeting", " for the spring season",
)  # fmt: skip

OPENINGS: Final = (
    "A customer in Zürich pointed this out last week.",
    "This came up in the team meeting.",
    "We promised to look into it before the end of the month.",
    "The old way still works, but nobody knows for how long.",
    "Two people have asked for it independently.",
    "It takes about an hour every week at the moment.",
    "See the notes of the last review for the background.",
    "The supplier has changed its form again.",
    "This is the second attempt; the first one stopped half-way.",
    "Nothing urgent, but it should not be forgotten.",
    "The auditor wants to see it in writing.",
    "It was fine until the last update.",
    "Our colleagues abroad do this differently, and theirs is simpler.",
    "The numbers differ by a few cents from what the bank says.",
    "The current version dates from before the move.",
    "Somebody has to decide; the options are below.",
)  # fmt: skip
SENTENCES: Final = (
    "Please write down what you find, even if it is nothing.",
    "The files are in the shared folder under this year's date.",
    "Talk to the people on the early shift first; they know it best.",
    "A short list is enough, it need not be pretty.",
    "If it costs more than 500 €, ask before ordering.",
    "Two screenshots would help the others a lot.",
    "We can do without it until the end of the quarter.",
    "Last year it took three days, so start early.",
    "The naïve solution was tried and did not survive the first busy Monday.",
    "Keep the old one for a month in case we have to go back.",
    "Whoever takes this should also look at the follow-up for the annex.",
    "The contact is on holiday until the 14th.",
    "Make sure that the printed version says the same.",
    "A test with five customers will tell us more than another meeting.",
    "It must work on the small screens in the workshop as well.",
    "Ask Legal whether the new wording is all right.",
    "The measurements are in millimetres, not inches.",
    "Done means that the night shift can use it without asking.",
    "There is a template, but half of its fields are out of date.",
    "Leave a note on the door when you change anything.",
)  # fmt: skip
REMARKS: Final = (
    "I can look at this on Monday.", "Who has the key to the archive?", "Done on my side.",
    "The supplier answered: two more weeks.", "I tried it this morning and it works.",
    "Could we split this? It is two things, really.", "Sent the photos by mail.",
    "Same problem again today, around ten o'clock.", "Merci, that was quick!",
    "Not sure that this is worth it any more.", "The quote is in the shared folder.",
    "Waiting for a call back from the landlord.", "Please read the second paragraph again.",
    "Checked with the workshop: they are happy with it.", "I would rather do it after the fair.",
    "Moved it to next week, sorry.",
)  # fmt: skip
AFTERTHOUGHTS: Final = (
    "", "", "", " Let me know if that is a problem.", " I will write it up tomorrow.",
    " Otherwise we close it.", " The rest is as discussed.", " Greta knows the details.",
    " It may need a second look.", " No hurry.", " The costs stay below 200 €.",
    " I will be back on Thursday.",
)  # fmt: skip
