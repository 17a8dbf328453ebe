"""Data with a known truth: questions to a parliament that never sat, simulated with a seed.

Every question is about one policy area and many mention another, so that single words mislead; each area
has many words, most of them rare, so that a few hundred coded questions do not hold them all. Some ask what health
costs: the opposition means the economy by it, the government health. People who code know who asks; a model that
sees the text alone errs on one side more than on the other, and a regression on its codes goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from annotune.data.codebook import Codebook, Label, Variable
from annotune.errors import AnnotuneError
from annotune.export.write import write
from annotune.readable import Part, Readable
from annotune.records.files import write_whole

N_TEXTS, N_CODED = 6000, 600
# The known effect: how much likelier a question of the opposition is about health.
HEALTH_EFFECT = 0.12
SHARES = {"Economy": 0.24, "Health": 0.14, "Environment": 0.17, "Education": 0.14, "Migration": 0.13, "Security": 0.18}
CODES = {"Economy": 1, "Health": 3, "Education": 6, "Environment": 7, "Migration": 9, "Security": 12}
DEFINITIONS = {
    "Economy": "Growth, prices, budgets, taxes, work and business.",
    "Health": "Hospitals, doctors, medicines, disease and care.",
    "Education": "Schools, universities, teachers, training and pupils.",
    "Environment": "Climate, nature, pollution, water and waste.",
    "Migration": "Asylum, borders, visas, integration and citizenship.",
    "Security": "Crime, policing, courts, defence and terrorism.",
}
# What the areas' questions are about. Some of it is frequent and much of it rare, as in any corpus.
MATTERS: Mapping[str, Sequence[str]] = {
    area: tuple(words.split("|"))
    for area, words in {
        "Economy": "consumer prices|wages|the state budget|income tax|small firms|banks|unemployment|"
        "interest rates|exports|public debt|mortgages|the minimum wage|factories|pension funds|bankruptcies|"
        "the central bank|tariffs|shipyards|steel works|dividends|credit for farmers|redundancies|"
        "household savings|start-ups|the stock exchange|insurance premiums|the retail trade|supply chains|"
        "business licences|accountants|monopolies|tourism revenue|the currency|overtime pay|trade unions|"
        "the national product|government bonds|foreign investors|privatisation|customs duties|payrolls|"
        "craft businesses|supermarkets|entrepreneurs|temporary work|industrial output|productivity|"
        "fuel prices|the value added tax|construction companies|wholesale markets|inherited fortunes",
        "Health": "hospitals|nurses|general practitioners|vaccines|patients with cancer|"
        "waiting times for operations|medicines|midwives|ambulances|intensive care|dentists|measles|insulin|"
        "painkillers|maternity wards|mental illness|screening programmes|organ donation|resistant germs|"
        "dementia|surgeons|addiction|paediatricians|obesity|emergency rooms|strokes|rare diseases|hospices|"
        "blood banks|physiotherapy|allergies|pharmacies|influenza|asthma|health insurers|anaesthetists|"
        "depression|diabetes|clinics|prostheses|malnutrition|hearing aids|epidemics|wheelchairs|"
        "heart attacks|antibiotics|rehabilitation|nursing homes|medical records|tuberculosis|eye surgery|"
        "first aid",
        "Education": "schools|teachers|universities|pupils|tuition fees|kindergartens|apprenticeships|"
        "class sizes|reading skills|examinations|textbooks|students|bullying|curricula|homework|"
        "music lessons|lecturers|school meals|evening courses|headmasters|gifted children|exchange years|"
        "literacy|timetables|playgrounds|doctoral grants|vocational colleges|classrooms|degrees|scholarships|"
        "school buses|spelling|laboratories for chemistry lessons|nursery places|marks|truancy|libraries|"
        "lesson plans|dropouts|alphabetisation|sports halls|boarding houses|professors|mathematics contests|"
        "foreign language lessons|graduates|tutoring|campus housing|school uniforms|early learning|"
        "teacher training|internships",
        "Environment": "the climate|forests|emissions|drinking water|air quality|recycling|wind turbines|"
        "nature reserves|plastic waste|nitrates|pesticides|wolves|moors|fine dust|bees|flood plains|"
        "batteries in landfills|oil spills|greenhouse gases|sewage|otters|solar panels|dumped tyres|"
        "heatwaves|overfishing|glaciers|invasive weeds|hedgerows|carbon footprints|biodiversity|peat|coral|"
        "soil erosion|cormorants|mercury in rivers|drought|ozone|wetlands|packaging|wild boar|meadows|lakes|"
        "organic waste|noise from motorways|salmon|toxic algae|marshes|groundwater|beavers|light pollution|"
        "old beeches|composting",
        "Migration": "asylum claims|refugees|visas|the borders|integration courses|citizenship|deportations|"
        "migrants|work permits|reception centres|family reunion|people rescued at sea|language tests|"
        "rejected applicants|seasonal workers|unaccompanied minors|the foreigners' office|"
        "smugglers of people|residence permits|dual nationality|stateless persons|resettlement|newcomers|"
        "frontier fences|humanitarian corridors|naturalisation|interpreters for arrivals|relocation|"
        "passports|refugee camps|emigration|expatriates|guest workers|detention before removal|"
        "safe countries of origin|fingerprints of arrivals|entry bans|diasporas|host families|repatriation|"
        "travel documents|boat people|persecuted minorities|settlement funds|migration routes|"
        "undocumented labourers|crossings in the mountains|returnees|displaced persons|consulates|"
        "transit zones|permanent residents",
        "Security": "the police|crime|prisons|terrorism|the army|burglaries|courts|knife attacks|drug gangs|"
        "judges|riots|criminal trials|telephone fraud|fighter jets|stolen bicycles|extremists|murders|"
        "the reserve|hacking|fan violence|witnesses|arms depots|speeding|parole|hate crimes|espionage|"
        "the coast guard|body cameras|conscription|prosecutors|tanks|money laundering|kidnappings|"
        "forensic laboratories|bomb disposal|soldiers|missiles|patrols|vandalism|smuggled weapons|"
        "shoplifting|military bases|jurors|sentences|intelligence services|navy ships|arson|blackmail|"
        "robberies|detectives|veterans|cadets",
    }.items()
}
# Every area's questions ask about the same sides of a matter.
ASPECTS = (
    "{}", "{}", "{}", "the state of {}", "the future of {}", "the cost of {}", "the report on {}", "the law on {}",
    "the numbers on {}", "complaints about {}", "the delays with {}", "the reform of {}", "public spending on {}",
)  # fmt: skip
OPENINGS = (
    "What is being done about {}", "Can the minister say how {} will be dealt with", "When will there be a plan for {}",
    "Who answers for {}", "How does the government judge {}", "Which steps follow from {}",
    "Has nothing been decided on {}", "Why has the house heard nothing about {}",
    "What is the view of the cabinet on {}", "How much has been set aside for {}",
)  # fmt: skip
ASIDES = (
    "given {}", "in view of {}", "although {} matters too", "after the debate on {}", "as promised when {} came up",
    "whatever it means for {}", "even if {} has to wait",
)  # fmt: skip
PLACES = ("in the north", "in the capital", "along the coast", "in small towns", "this year", "abroad", "", "", "", "")
SILENT = 0.45  # the share of questions without an aside
ANOTHER = 0.5  # the share of asides that may be on any area; the others are on the question's own
COSTLY = 0.5  # the share of the opposition's questions on the economy, and of the government's on health ...
# ... that are worded so, and do not tell which of the two they are about.
BILLS = ("the bill for {}", "what {} cost the taxpayer", "the budget line for {}", "the invoices for {}")
RARITY = 1.05  # a matter's frequency falls with this power of its rank


@dataclass(frozen=True, repr=False)
class Demo(Readable):
    """Simulated data and what is true of them.

    Attributes
    ----------
    codebook
        One nominal variable, topic, with six labels.
    corpus
        unit_id, text, party, year, district; a row per question.
    coders
        What anna, ben and carla said, a frame (unit_id, topic) each; anna and ben coded the same questions, carla
        those on which they differ.
    truth
        unit_id and topic of every question.
    effect
        By how much the opposition's share of questions on health is above the government's.
    study
        The study file, where files were written.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=200, n_coded=50)
    >>> data.effect, data.codebook.variable("topic").names[:3], data.truth.columns
    (0.12, ['Economy', 'Health', 'Education'], ['unit_id', 'topic'])
    """

    codebook: Codebook
    corpus: pl.DataFrame
    coders: dict[str, pl.DataFrame]
    truth: pl.DataFrame
    effect: float
    study: Path | None = None

    def _parts(self) -> Iterator[Part]:
        """How much was simulated, and where it is."""
        yield f"Simulated: {len(self.corpus):,} questions, {len(self.coders['anna']):,} of them coded by anna and ben."
        yield f"In truth the opposition's share of questions on health is {self.effect:g} above the government's."
        yield "Parts: codebook, corpus, coders, truth, effect" + (", study" if self.study is not None else "")
        yield from [f"The files are in {self.study.parent}."] if self.study is not None else []


def demo(out: str | Path | None = None, n: int = N_TEXTS, n_coded: int = N_CODED, seed: int = 7) -> Demo:
    """Simulate a corpus, what its coders said, and the truth; with `out`, write them as a researcher would have them.

    Parameters
    ----------
    out
        A folder for codebook.yaml, questions.csv, coder_anna.xlsx, coder_ben.dta, coder_carla.csv, truth.csv, and
        the study.yaml that runs it all.
    n, n_coded
        How many questions there are, and how many of them, drawn at random, were coded by hand.
    seed
        Of every draw.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=200, n_coded=50)
    >>> data.corpus.columns, len(data.coders["anna"])
    (['unit_id', 'text', 'party', 'year', 'district'], 50)
    """
    if not 1 <= n_coded <= n:
        raise AnnotuneError(f"{n_coded:,} of {n:,} texts cannot be coded.", "Choose at most as many as there are.")
    rng = np.random.default_rng(seed)
    party = rng.choice(["government", "opposition"], n)
    topics = _topics(party, rng)
    sides = np.where(rng.random(n) < ANOTHER, rng.choice(list(SHARES), n), topics)
    corpus = pl.DataFrame(
        {
            "unit_id": [f"q{i:05d}" for i in range(1, n + 1)],
            "text": [_question(*parts, rng) for parts in zip(topics, sides, _costly(party, topics, rng), strict=True)],
            "party": pl.Series(party, dtype=pl.Enum(["government", "opposition"])),
            "year": rng.integers(2015, 2025, n),
            "district": [f"d{i:02d}" for i in rng.integers(1, 41, n)],
        }
    )
    coded_places = np.sort(rng.choice(n, n_coded, replace=False))
    coders = _coders(corpus["unit_id"].to_numpy()[coded_places], topics[coded_places], sides[coded_places], rng)
    truth = corpus.select("unit_id").with_columns(pl.Series("topic", topics))
    data = Demo(_codebook(), corpus, coders, truth, HEALTH_EFFECT)
    return data if out is None else replace(data, study=_write(data, Path(out)))


def _write(data: Demo, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnnotuneError(f"The folder {folder} cannot be made: {error.strerror}.", "Choose another.") from None
    write(data.corpus, folder / "questions.csv")
    write(data.truth, folder / "truth.csv")
    for coder, suffix in (("anna", "xlsx"), ("ben", "dta"), ("carla", "csv")):
        write(data.coders[coder], folder / f"coder_{coder}.{suffix}", codebook=data.codebook)
    codebook = data.codebook.model_dump(exclude_defaults=True, mode="json")
    write_whole(folder / "codebook.yaml", yaml.safe_dump(codebook, sort_keys=False, allow_unicode=True))
    corrected = (data.coders["anna"]["topic"] == "Health").sum() >= ENOUGH
    write_whole(folder / "study.yaml", STUDY + (CORRECT if corrected else NAIVE))
    return folder / "study.yaml"


STUDY = """\
# From a codebook to data ready for a regression: annotune run study.yaml
codebook: codebook.yaml
corpus: {path: questions.csv, unit_id: unit_id, text: text}
codings: [coder_anna.xlsx, coder_ben.dta, coder_carla.csv]
reliability: {coders: [anna, ben]}              # carla saw only what they disagreed on
gold: {rule: adjudicated, coder: carla}
tune: {variable: topic, base: minilm, seed: 1}
classify: {}
write: [results.dta, results.rds, results.parquet, results.csv]
report: report.html
"""
CORRECT = """\
sample: simple                                  # the coded questions were drawn at random from all
correct:                                        # the model's error carried into the standard errors
  formulas: ["topic == 'Health' ~ party"]
  write: [regression.csv, regression.do, regression.rds]
"""
NAIVE = """\
regressions: ["topic == 'Health' ~ party"]      # in results.do and results.R
"""
ENOUGH = 30  # questions on health as anna codes them, for a correction


def _topics(party: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Health is likelier by HEALTH_EFFECT in the opposition's questions, the rest in proportion rarer."""
    names = list(SHARES)
    topics = np.empty(len(party), dtype=object)
    for side, effect in (("government", 0.0), ("opposition", HEALTH_EFFECT)):
        factor = (1 - SHARES["Health"] - effect) / (1 - SHARES["Health"])
        shares = [SHARES["Health"] + effect if name == "Health" else SHARES[name] * factor for name in names]
        of_party = party == side
        upto = np.round(np.cumsum(shares) * of_party.sum()).astype(int)  # exactly these shares, in random order
        topics[of_party] = rng.permutation(np.repeat(names, np.diff(upto, prepend=0)))
    return topics.astype(str)


def _costly(party: np.ndarray, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which questions ask what health costs, in words that do not tell whether they are about health."""
    is_costly_topic = np.where(party == "opposition", topics == "Economy", topics == "Health")
    return np.asarray(is_costly_topic & (rng.random(len(topics)) < COSTLY))


def _question(topic: str, side: str, costly: bool, rng: np.random.Generator) -> str:
    """What the question is about, and often an aside on something else, before or after it."""
    place = PLACES[rng.integers(len(PLACES))]
    matter = _matter("Health", BILLS, rng) if costly else _matter(topic, ASPECTS, rng)
    opening = OPENINGS[rng.integers(len(OPENINGS))].format(matter) + (f" {place}" if place else "")
    if costly or rng.random() < SILENT:
        return f"{opening}?"
    aside = ASIDES[rng.integers(len(ASIDES))].format(_matter(side, ASPECTS, rng))
    if rng.random() < 0.5:
        return f"{opening}, {aside}?"
    return f"{aside[0].upper()}{aside[1:]}, {opening[0].lower()}{opening[1:]}?"


def _matter(topic: str, aspects: tuple[str, ...], rng: np.random.Generator) -> str:
    matters = MATTERS[topic]
    rank = np.arange(1, len(matters) + 1) ** -RARITY
    matter = matters[rng.choice(len(matters), p=rank / rank.sum())]
    return aspects[rng.integers(len(aspects))].format(matter)


def _coders(
    units: np.ndarray, topics: np.ndarray, sides: np.ndarray, rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    """Coders err towards what a question also mentions, ben more than anna; ben skipped a few."""
    labels_of = {"anna": _coded(topics, sides, 0.07, 0.02, rng), "ben": _coded(topics, sides, 0.14, 0.03, rng)}
    types = {"unit_id": pl.String, "topic": pl.String}  # also where there are no rows
    frames = {coder: pl.DataFrame({"unit_id": units, "topic": labels}, types) for coder, labels in labels_of.items()}
    skipped = rng.random(len(units)) < 0.01
    frames["ben"] = frames["ben"].with_columns(pl.when(pl.Series(~skipped)).then("topic").alias("topic"))
    differ = (labels_of["anna"] != labels_of["ben"]) & ~skipped
    third = _coded(topics, sides, 0.04, 0.01, rng)
    frames["carla"] = pl.DataFrame({"unit_id": units[differ], "topic": third[differ]}, types)
    return frames


def _coded(topics: np.ndarray, sides: np.ndarray, misled: float, slip: float, rng: np.random.Generator) -> np.ndarray:
    chance = rng.random(len(topics))
    other = rng.choice(list(SHARES), len(topics))
    return np.where(chance < misled, sides, np.where(chance < misled + slip, other, topics))


def _codebook() -> Codebook:
    labels = tuple(Label(code=code, name=name, definition=DEFINITIONS[name]) for name, code in CODES.items())
    topic = Variable(name="topic", instruction="Which policy area is the question mainly about?", labels=labels)
    return Codebook(name="Questions to a simulated parliament", variables=(topic,))
