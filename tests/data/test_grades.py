import numpy as np
import pytest

from csglib.data.stenosis import DEFAULT_RULE, OCCLUDED, RULES, Rule, observed


def rule(cuts=(0.5,), grades=("mild", "severe")) -> Rule:
    return Rule(name="mine", measure="area", cuts=cuts, grades=grades)


@pytest.mark.parametrize(
    ("stenosis", "two", "four"),
    [
        (0.0, "mild", "mild"),
        (0.499999, "mild", "mild"),
        (0.5, "severe", "moderate"),
        (0.699999, "severe", "moderate"),
        (0.7, "severe", "severe"),
        (0.99, "severe", "severe"),
        (0.995, "severe", "occlusion"),
        (1.0, "severe", "occlusion"),
    ],
)
def test_a_stenosis_that_reaches_a_cut_has_the_worse_grade(stenosis, two, four):
    assert DEFAULT_RULE.grades[DEFAULT_RULE.grade(stenosis)] == two
    assert RULES["four_grades"].grades[RULES["four_grades"].grade(stenosis)] == four


@pytest.mark.parametrize("name", RULES)
def test_every_rule_grades_from_open_to_closed(name):
    grades = [RULES[name].grade(stenosis) for stenosis in np.linspace(0, 1, 401)]
    assert sorted(set(grades)) == [*range(len(RULES[name].grades))]
    assert grades == sorted(grades)
    assert RULES[name].name == name


def test_the_rules_are_these_and_none_is_called_nascet():
    measured = {name: (rule.measure, rule.cuts) for name, rule in RULES.items()}
    assert measured == {
        "diameter_50": ("diameter", (0.5,)),
        "area_50": ("area", (0.5,)),
        "area_70": ("area", (0.7,)),
        "area_75": ("area", (0.75,)),
        "four_grades": ("diameter", (0.5, 0.7, 0.995)),
    }
    assert DEFAULT_RULE is RULES["diameter_50"]


def test_half_the_diameter_of_a_round_lumen_is_three_quarters_of_its_area():
    for diameter in (*np.linspace(0, 1, 41), 0.5 - 1e-9, 0.5 + 1e-9):
        area = 1 - (1 - diameter) ** 2
        assert DEFAULT_RULE.grade(diameter) == RULES["area_75"].grade(area)


def test_rounding_may_lead_a_little_beyond():
    assert [RULES["four_grades"].grade(value) for value in (-1e-9, 1 + 1e-9)] == [0, 3]


@pytest.mark.parametrize("stenosis", [60.0, 1.01, -0.3, float("nan")])
def test_what_is_no_share_has_no_grade(stenosis):
    with pytest.raises(ValueError, match=f"diameter_50: a stenosis is a share.* got {stenosis}"):
        DEFAULT_RULE.grade(stenosis)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cuts": (0.7, 0.5), "grades": ("a", "b", "c")}, r"cuts must rise.* \(0.7, 0.5\)"),
        ({"cuts": (0.5, 0.5), "grades": ("a", "b", "c")}, "cuts must rise"),
        ({"cuts": (0.0,)}, "cuts must rise, from above 0"),
        ({"cuts": (50.0,)}, r"cuts must rise, from above 0 to 1: got \(50.0,\)"),
        ({"cuts": (0.5, 0.7)}, r"mine: 2 cuts make 3 grades: got \('mild', 'severe'\)"),
    ],
)
def test_rules_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        rule(**changes)


def test_an_observer_errs_as_much_as_told_and_not_to_one_side():
    rng = np.random.default_rng(4)
    read = np.array([observed(0.5, rng, spread=0.04) for _ in range(4000)])
    assert read.mean() == pytest.approx(0.5, abs=0.003)
    assert read.std() == pytest.approx(0.04, rel=0.05)
    assert np.mean(read >= 0.5) == pytest.approx(0.5, abs=0.03)  # half of such cases change grade


def test_the_same_observer_reads_the_same():
    one, same, other = (observed(0.4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert observed(0.4, np.random.default_rng(1), spread=0.0) == 0.4


def test_an_occlusion_is_seen_and_an_open_vessel_is_never_taken_for_one():
    rng = np.random.default_rng(8)
    near = [observed(0.97, rng, spread=0.1) for _ in range(300)]
    free = [observed(0.01, rng, spread=0.1) for _ in range(300)]
    assert (max(near), min(free)) == (0.99, 0.0)
    assert {observed(closed, rng, spread=0.1) for closed in (OCCLUDED, 1.0) * 20} == {1.0}
