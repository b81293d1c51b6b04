"""What has to be known of English and German: abbreviations, words without meaning, and how words are inflected."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Behind these a full stop ends no sentence. Initials, and short words with stops inside such as "e.g.", need no entry.
ABBREVIATIONS = _words(
    """
    mr mrs ms dr prof rev gen col sgt capt lt st sr jr hon messrs inc ltd corp co dept est approx no nos vol vols fig
    figs eq eqs sec ch pp ed eds al vs viz cf ca etc jan feb mar apr jun jul aug sep sept oct nov dec ph.d m.sc b.sc
    bzw evtl ggf inkl exkl sog usw vgl zzgl abs art nr str tel hr fr frl dipl ing jh jhd min max mio mrd abb bd bde
    hrsg aufl kap anm gem od n.chr v.chr bspw insb geb gest i.d.r
    """
)

# These begin a sentence more often than they follow an abbreviation or a number.
OPENERS = _words(
    """
    the this that these those it its he she they we you i in on at as but and if when while there however
    der die das dies dieser diese dieses es er sie wir ich ein eine im am bei mit nach aber und wenn doch auch so
    """
)

# Behind the number of a day, these go on with the date.
MONTHS = _words("januar jänner februar märz april mai juni juli august september oktober november dezember")

# A sentence that begins so leans on the one before it.
LEANING = _words(
    """
    this that these those it he she they such however therefore thus hence moreover furthermore also but and so then
    dies dieser diese dieses diesem er sie es jedoch daher deshalb darum somit außerdem zudem auch aber und so dann
    """
)

ENGLISH = _words(
    """
    a about above after again against all almost also although always am among an and any are as at be became because
    become been before being below between both but by ca came can cannot come could did do does doing done down during
    each either else even ever every example examples few first following follows for from further get got had has have
    having he her here hers herself him himself his how however i if in includes including instead into is it its itself
    just kind last least less let like made make many may me mean means might more most much must my myself neither new
    no nor not now of off often on once one only onto or other others otherwise our ours out over own per perhaps put
    quite rather really said same say says see seem seemed seems several sha shall she should since so some something
    sometimes still such take than that the their theirs them themselves then there therefore these they thing things
    this those though three through thus to too took toward two under until up upon us use used using very via was
    way we well went were what whatever when where whether which while who whom whose why will with within without won
    would year years yet you your yours
    """
)

GERMAN = _words(
    """
    ab aber abschnitt alle allem allen aller alles als also am an andere anderem anderen anderer anderes anders auch auf
    aus außer bei beim beispiel beispielsweise bin bis bist bitte da dabei dadurch dafür dagegen daher damit danach dann
    daran darauf darf darin darüber das dass davon dazu dein deine dem den denn der deren des deshalb dessen die dies
    diese diesem diesen dieser dieses doch dort du durch dürfen eher ein eine einem einen einer eines einige einmal er
    erst es etwa etwas euch euer falls finden folgende folgendem folgenden folgender folgendes folgt für gab ganz gar
    gegen gegenüber geht gibt habe haben hat hatte hatten her heute hier hin hinter ich ihm ihn ihnen ihr ihre ihrem
    ihren ihrer ihres im immer in indem ins ist ja jahr jahre jahren je jede jedem jeden jeder jedes jedoch jene jetzt
    kann kapitel kein keine keinem keinen keiner können könnte machen macht man mehr mein meine mich mir mit mittels
    muss müssen nach nachdem neben nein nicht nichts noch nun nur ob oder ohne schon sehr sei sein seine seinem seinen
    seiner seit selbst sich sie siehe sind so sogar solche soll sollen sollte sondern sonst sowie sowohl statt über um
    und uns unser unter verwenden verwendet viel viele vielen vom von vor während war wäre wären waren warum was weder
    weil weiter weitere weiteren weiterer welche welchem welchen welcher welches wenn wer werde werden wie wieder will
    wir wird wo wobei wollen worden wurde würde würden wurden zu zum zur zwar zwei zwischen
    """
)

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # noqa: RUF001
SHORT_FORM = re.compile(r"(n['’]t|['’]\w{1,2})$")  # noqa: RUF001 - the end of "don't" and of "we'll"
ADDRESS = re.compile(r"(?<![!-~])(?=[!-~]*(?:://|/[!-~]*/|\w@\w))[!-~]+")  # of a page, a file or a person: no words
ENDINGS = (
    "ungen",
    "ation",
    "ions",
    "ung",
    "ing",
    "ern",
    "est",
    "ies",
    "ion",
    "ed",
    "ly",
    "en",
    "er",
    "em",
    "es",
    "e",
    "s",
    "n",
)
CHINESE_OR_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")  # written without spaces


def stopwords(text: str) -> frozenset[str]:
    """The words without meaning of the language that a text seems to be in; of another, its short and frequent ones."""
    found = Counter(word.lower() for word in WORD.findall(text[:20_000]))
    known = max((ENGLISH, GERMAN), key=lambda words: sum(found[word] for word in words))
    if sum(found[word] for word in known) > found.total() / 8:  # in both it is nearly half, in others next to none
        return known
    return frozenset(word for word, count in found.items() if len(word) < 5 and count > found.total() / 200)


@lru_cache(100_000)
def stem(word: str) -> str:
    """A word without its ending, roughly: enough to see that two words are forms of one."""
    word = SHORT_FORM.sub("", word.lower())
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def terms(text: str, without: frozenset[str]) -> list[str]:
    """The stems of the words that carry meaning; pairs of signs where words are not separated."""
    found: list[str] = []
    for word in WORD.findall(ADDRESS.sub(" ", text)):
        if CHINESE_OR_JAPANESE.fullmatch(word):
            found += [word[place : place + 2] for place in range(max(1, len(word) - 1))]
        elif len(word) > 1 and means_something(word, without):
            found.append(stem(word))
    return found


def means_something(word: str, without: frozenset[str]) -> bool:
    """Whether a word is none of those without meaning, not even in a short form such as "we'll"."""
    return SHORT_FORM.sub("", word.lower()) not in without
