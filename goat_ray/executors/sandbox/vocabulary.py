"""Words that made-up values are put together from where a document shows none."""

FIRST_NAMES = (
    "Ada Amara Anton Bruno Carmen Clara Daniel Elena Emil Fatima Felix Greta Hana Hugo Ines Ivan Jonas Julia Kofi Lena"
    " Leo Lucia Mara Mateo Mina Nadia Nils Nora Omar Oscar Paula Priya Rafael Rosa Samir Sofia Theo Vera Yuki Zoe"
).split()
LAST_NAMES = (
    "Abbott Adler Almeida Bauer Bennett Bishop Castillo Clarke Dahl Dubois Eriksen Farrell Fischer Garcia Hayes Holm"
    " Ibrahim Jansen Keller Kowalski Lang Larsen Lopez Marsh Mendes Moreau Nakamura Novak Okafor Olsen Patel Quinn"
    " Reyes Rossi Sato Silva Singh Stone Torres Weber"
).split()
ADJECTIVES = (
    "Amber Ancient Bright Broken Calm Central Clear Copper Crimson Distant Early Eastern Empty Final First Forgotten"
    " Gentle Golden Grand Green Hidden Hollow Iron Last Little Lonely Lost Midnight Modern New Northern Old Open"
    " Quiet Rapid Red Royal Secret Silent Silver Slow Small Southern Stone Sunlit Swift Western White Wild Winter"
).split()
NOUNS = (
    "Anchor Arrow Autumn Bay Bell Bird Bridge Canyon Castle Cedar Circle Cloud Coast Compass Corner Crown Dawn Desert"
    " Echo Field Fire Forest Garden Gate Glass Harbor Hill Horizon House Island Journey Kite Lake Lantern Letter Light"
    " Meadow Mirror Moon Mountain Ocean Orchard Paper Path Pearl Pine Promise River Road Rose Sail Season Shadow Shore"
    " Signal Sky Song Spring Star Stone Storm Street Summer Sun Thread Tide Tower Valley Voyage Wave Wind Window"
).split()
COMPANY_ENDINGS = "Group Labs Partners Industries Works Media Supply Systems Holdings Company".split()
CITIES = (
    "Lisbon Vienna Toronto Kyoto Nairobi Lyon Bergen Austin Seville Hamburg Dublin Lima Porto Perth Ghent Oslo Turin"
    " Denver Accra Krakow"
).split()
COUNTRY_NAMES = (
    "Portugal Austria Canada Japan Kenya France Norway Spain Germany Ireland Peru Australia Belgium Italy Ghana Poland"
).split()
COUNTRY_CODES = "PT AT CA JP KE FR NO US ES DE IE PE AU BE IT GH PL GB".split()
LANGUAGE_CODES = "en fr de es ja pt it ko sv pl".split()
CURRENCIES = "EUR USD GBP JPY CAD CHF".split()
TIMEZONES = "Europe/Lisbon Europe/Vienna America/Toronto Asia/Tokyo Africa/Nairobi America/Denver".split()
STREETS = ("Harbor Street", "Mill Lane", "Station Road", "Garden Row", "Market Square", "Hill Avenue", "Bridge Street")
COLORS = "red blue green black white silver amber teal".split()
STATES = ("active", "pending", "completed", "archived")
SENTENCES = (
    "A favourite of many, and easy to see why.",
    "It started small and grew over the years.",
    "Made with care and described in plain words.",
    "Well worth a closer look.",
    "There is more to it than the first glance shows.",
    "Everything that matters is here, and nothing else.",
    "People come back to it again and again.",
    "It keeps its promise from beginning to end.",
)
# Values of members that choose one of a few, by the last word of the name.
CHOICES = {
    "type": ("standard", "basic", "premium", "custom"),
    "kind": ("standard", "basic", "premium", "custom"),
    "frequency": ("daily", "weekly", "monthly", "yearly"),
    "method": ("card", "transfer", "cash", "invoice"),
    "reason": ("requested", "duplicate", "expired", "other"),
    "level": ("low", "medium", "high"),
    "priority": ("low", "medium", "high"),
    "severity": ("low", "medium", "high"),
    "mode": ("automatic", "manual"),
    "role": ("admin", "member", "viewer"),
    "gender": ("female", "male", "other"),
    "unit": ("piece", "box", "hour", "kg"),
    "plan": ("free", "basic", "team", "business"),
    "visibility": ("public", "private"),
    "result": ("success", "failure"),
    "direction": ("inbound", "outbound"),
}
TOPIC_NAMES = (
    "Action,Adventure,Animation,Art,Biography,Business,Comedy,Cooking,Crime,Culture,Dance,Design,Documentary,Drama,"
    "Education,Family,Fantasy,Fashion,Finance,Fitness,Food,Gaming,Gardening,Health,History,Home,Horror,Jazz,Kids,Law,"
    "Mystery,Music,Nature,News,Outdoors,Photography,Poetry,Politics,Psychology,Reality,Romance,Science,Sports,"
    "Technology,Thriller,Travel,Western,Wildlife"
).split(",")
PEOPLE = frozenset(
    "person people user author member customer actor actress artist employee patient contact owner manager director"
    " doctor guest driver traveller traveler reviewer player student teacher speaker host agent seller buyer client"
    " creator writer editor friend follower recipient sender holder attendee candidate musician lawyer"
    " nurse coach".split()
)
FIRMS = frozenset("company network publisher organization organisation brand vendor supplier store shop bank".split())
PLACES = frozenset("city town location destination origin municipality".split())
TOPICS = frozenset("genre category tag topic keyword department section subject theme field".split())
