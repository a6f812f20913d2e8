"""Short words after which no subtitle should end, and before which one may, in languages that many people use. Pure.

An article or a preposition belongs to what follows; a conjunction begins something new. The lists are short: a word
that is missing costs a break that is a little less good.
"""

from functools import cache
from typing import Final

from whisperjob_client.transcript.spelling import letters

_LANGUAGES: Final = {
    ("en", "english"): (
        "a an the of in to for on at by from with about into onto over under between through during without within "
        "against toward towards among upon than as my your his her its our their this these those every some any no "
        "very is are was were be been has have had will would can could should must may might do does did don't not "
        "i'm you're we're they're it's that's there's I we they he she",
        "and but or so because that which who when where while if although though since until whether",
    ),
    ("de", "german", "deutsch"): (
        "der die das den dem des ein eine einen einem einer eines kein keine keinen im in an am auf aus bei beim mit "
        "nach von vom vor zu zum zur für gegen ohne um über unter zwischen durch seit während mein meine dein deine "
        "sein seine ihr ihre unser unsere dieser diese dieses jeder jede jedes sehr nicht ist sind war",
        "und aber oder denn dass weil wenn als ob obwohl damit während sondern",
    ),
    ("fr", "french", "français"): (
        "le la les l' un une des du de d' à au aux en dans par pour sur sous avec sans chez vers entre pendant depuis "
        "mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces très ne est sont a ont "
        "je tu il elle on nous vous ils elles",
        "et mais ou donc car parce que qui quand lorsque si comme où",
    ),
    ("es", "spanish", "castilian", "español"): (
        "el la los las lo un una unos unas de del a al en con por para sin sobre entre desde hasta hacia según mi mis "
        "tu tus su sus nuestro nuestra este esta estos estas ese esa muy no es son ha han se",
        "y e o u pero porque que cuando si como donde aunque mientras sino",
    ),
    ("it", "italian", "italiano"): (
        "il lo la i gli le un uno una di del della dei degli delle dello a al alla ai alle da dal dalla in nel nella "
        "con su sul sulla per tra fra senza mio mia tuo tua suo sua nostro questo questa molto non è sono ha hanno si",
        "e ed o ma perché che quando se come dove mentre anche",
    ),
    ("pt", "portuguese", "português"): (
        "o a os as um uma uns umas de do da dos das em no na nos nas ao à por pelo pela para com sem sobre entre até "
        "desde meu minha teu tua seu sua nosso nossa este esta esse essa muito não é são se",
        "e ou mas porque que quando se como onde embora enquanto",
    ),
    ("nl", "dutch", "flemish", "nederlands"): (
        "de het een van in op aan met voor naar bij uit over onder tegen tussen door zonder om te mijn jouw zijn haar "
        "ons onze hun deze dit die elke heel niet is",
        "en maar of want omdat dat als toen terwijl dus",
    ),
    ("pl", "polish", "polski"): (
        "w we z ze do na o od po za przez dla bez pod nad przy przed między u ku mój moja twój jego jej nasz ten ta to "
        "bardzo nie",
        "i a ale lub albo bo że który która gdy jeśli ponieważ więc",
    ),
    ("ru", "russian", "русский"): (
        "в во на с со к ко у о об от до из за по под над при для без через между перед мой моя твой его её наш этот "
        "эта очень не",
        "и а но или что который когда если потому чтобы где",
    ),
    ("sv", "swedish", "svenska"): (
        "en ett den det de av i på till för med från om hos vid under över mellan utan min din sin vår denna mycket "
        "inte är",
        "och men eller att som när om eftersom medan",
    ),
}

_ENGLISH: Final = _LANGUAGES["en", "english"]


@cache
def binding_words(language: str | None) -> frozenset[str]:
    """Returns the words that belong to what follows them, as `letters` has them. `language` is a code or a name."""
    return frozenset(letters(word) for binding, _ in _lists(language) for word in binding.split())


@cache
def opening_words(language: str | None) -> frozenset[str]:
    """Returns the conjunctions, as `letters` has them."""
    return frozenset(letters(word) for _, opening in _lists(language) for word in opening.split())


def _lists(language: str | None) -> list[tuple[str, str]]:
    """Returns the lists of a language; of none if it is another one, of English if it is unknown."""
    if language is None:
        return [_ENGLISH]
    name = language.casefold().replace("_", "-")
    return [lists for names, lists in _LANGUAGES.items() if name in names or name.partition("-")[0] in names]
