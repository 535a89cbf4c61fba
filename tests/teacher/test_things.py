"""A thing is told once; "that NOUN" stands for it only where nothing else can be meant."""

from goat_ray.teacher.things import Thing, Voice, shared

BOOK = Thing(noun="book", name="Quiet Tide")
REVIEW = Thing(("the first review", " of ", BOOK), "review")
OTHER = Thing(("the second book",), "book")


def test_a_thing_told_before_is_that_thing() -> None:
    voice = Voice()
    assert voice.say(REVIEW) == "the first review of the book Quiet Tide"
    assert voice.say(Thing(("the author of ", BOOK))) == "the author of that book"


def test_no_noun_stands_for_two_things() -> None:
    voice = Voice()
    voice.say(BOOK)
    assert voice.say(OTHER) == "the second book"
    assert voice.say(BOOK) == "the book Quiet Tide"


def test_what_is_introduced_is_what_its_noun_means() -> None:
    voice = Voice()
    sequel = Thing(("the sequel of ", BOOK), "book")
    assert voice.introduce(sequel) == "the sequel of the book Quiet Tide"
    assert voice.say(sequel) == "that book"


def test_short_owners_may_stand_first() -> None:
    assert Voice(owners=True).say(REVIEW) == "the book Quiet Tide's first review"
    assert Voice(owners=True, names_kind=False, quotes='"').say(REVIEW) == 'the first review of "Quiet Tide"'


def test_the_longest_thing_that_all_are_about_is_shared() -> None:
    author, date = Thing(("the author of ", REVIEW)), Thing(("the date of ", REVIEW))
    assert shared([author, date]) is REVIEW
    assert shared([author, Thing(("the pages of ", BOOK))]) is BOOK
    assert shared([author, OTHER]) is None
    assert shared([Thing((BOOK, " or ", OTHER))]) is None  # "that book" would be either


def test_what_is_of_each_of_several_things_is_no_single_thing() -> None:
    shows = Thing(("each of the first three shows",), several=True)
    season = Thing(("season 1", " of ", shows), "season")
    images, rating = Thing(("the images of ", season)), Thing(("the rating of ", season))
    assert shared([images, rating]) is None
    voice = Voice(owners=True)
    voice.introduce(season)
    assert voice.say(images) == "the images of season 1 of each of the first three shows"
