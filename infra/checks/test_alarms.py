"""Alarms, dashboard, queries and runbooks fit together, and each rule about them can fail."""

import copy
import pathlib
import re
import shutil
from collections.abc import Callable

import alarms
import pytest
import template
from alarms import RULES, Watch
from breaking import Damage, complaints, damaged, properties, unshown
from stack import Stack

CODE = alarms.of_code()
CATALOGUE = alarms.catalogue((alarms.ROOT / "docs" / "metrics.md").read_text())
# With everything that an operator can choose to be told of.
ALL = {
    "QuietHours": 6,
    "AlarmEmail": "operations@example.org",
    "MonthlyBudget": 100,
    "RunbooksUrl": "https://example.org/runbooks/",
}
TRANSLATED = template.translate(template.source())


def watch(translated: dict = TRANSLATED, runbooks: pathlib.Path = alarms.RUNBOOKS) -> Watch:
    return Watch(Stack(translated, {}, ALL), CATALOGUE, CODE, runbooks)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(rule: Callable) -> None:
    assert list(rule(watch())) == []


def test_the_catalogue_is_read_whole() -> None:
    assert CATALOGUE["KeeperMinutes"] == "Sum"
    assert CATALOGUE["BudgetWait.live"] != "Sum"
    assert CATALOGUE["Calls.getmeas"] == "Sum"
    assert len(CATALOGUE) > 80


def test_the_pages_say_how_many_alarms_have_a_runbook_of_their_own() -> None:
    there = len(list(watch().alarms()))
    pages = [alarms.ROOT / "README.md", *(alarms.ROOT / "docs").rglob("*.md")]
    said = {(page.name, int(number)) for page in pages for number in re.findall(r"(\d+) alarms", page.read_text())}
    assert said, "no page says it"
    assert {number for _, number in said} == {there}, said


def test_a_stack_that_nobody_watches_has_nothing_to_watch_it_with() -> None:
    unwatched = Stack(TRANSLATED, {}, {**ALL, "Alarms": "false"})
    assert list(Watch(unwatched, CATALOGUE, CODE).alarms()) == []
    for kind in ("AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition", "AWS::SNS::Topic"):
        assert not unwatched.of_type(kind), kind


def test_nobody_hears_of_silence_or_of_costs_who_did_not_ask() -> None:
    default = Stack(TRANSLATED, {})
    assert "NoNotificationsAlarm" not in default.template["Resources"]
    assert not default.of_type("AWS::Budgets::Budget")
    assert len(watch().stack.of_type("AWS::Budgets::Budget")) == 1


def test_nothing_is_a_link_where_nobody_said_where_the_runbooks_are() -> None:
    unlinked = Watch(Stack(TRANSLATED, {}), CATALOGUE, CODE)
    texts = [widget["properties"]["markdown"] for widget in unlinked.widgets("text")]
    assert all(target == "${Insights}" for text in texts for target in re.findall(r"\]\(([^)]*)\)", text))
    named = {name for text in texts for name in re.findall(r"[a-z]+(?:-[a-z]+)*", text)}
    assert named >= unlinked.pages()
    # So that the name of a page is all that an alarm ends with.
    assert unlinked.stack.value({"Ref": "RunbooksUrl"}) == ""


def alarm(translated: dict, name: str) -> dict:
    return properties(translated, f"{name}Alarm")


def metric(translated: dict, name: str, place: int) -> dict:
    return alarm(translated, name)["Metrics"][place]["MetricStat"]


def body(before: str, after: str) -> Callable[[dict], None]:
    def damage(translated: dict) -> None:
        parts = properties(translated, "Dashboard")["DashboardBody"]["Fn::Sub"]
        assert before in parts[0]
        parts[0] = parts[0].replace(before, after, 1)

    return damage


def links(before: str, after: str) -> Callable[[dict], None]:
    def damage(translated: dict) -> None:
        value = properties(translated, "Dashboard")["DashboardBody"]["Fn::Sub"][1]["RunbooksOfPulls"]
        linked = value["Fn::If"][1]
        assert before in linked["Fn::Sub"]
        linked["Fn::Sub"] = linked["Fn::Sub"].replace(before, after, 1)

    return damage


def question(name: str, before: str, after: str) -> Callable[[dict], None]:
    def damage(translated: dict) -> None:
        query = properties(translated, f"{name}Query")
        assert before in query["QueryString"]
        query["QueryString"] = query["QueryString"].replace(before, after, 1)

    return damage


# Ways to break it, and the rule that must notice.
BREAKAGES: dict[str, tuple[str, Damage]] = {
    "an alarm without a runbook": (
        "every_alarm_has_its_runbook_and_every_runbook_its_alarm",
        lambda t: alarm(t, "PullsLate").update(AlarmDescription="Pulls are late."),
    ),
    "a runbook that is not there": (
        "every_alarm_has_its_runbook_and_every_runbook_its_alarm",
        lambda t: alarm(t, "PullsLate").update(AlarmDescription={"Fn::Sub": "Late. ${RunbooksUrl}late.md"}),
    ),
    "a runbook that no alarm names": (
        "every_alarm_has_its_runbook_and_every_runbook_its_alarm",
        lambda t: t["Resources"].pop("QuarantineGrowingAlarm"),
    ),
    "a release that is taken back without a word": (
        "what_takes_a_release_back_is_explained",
        lambda t: properties(t, "FetcherBatchesFail").update(AlarmDescription="Takes it back."),
    ),
    "a release that is taken back by a metric that nobody writes": (
        "what_takes_a_release_back_is_explained",
        lambda t: properties(t, "FetcherBatchesFail")["Metrics"][1]["MetricStat"]["Metric"].update(
            MetricName="BatchesFailed.api"
        ),
    ),
    "an alarm that the index does not list": (
        "the_index_lists_every_alarm",
        lambda t: alarm(t, "PullsLate").update(AlarmName={"Fn::Sub": "${AWS::StackName}-later"}),
    ),
    "an alarm that tells nobody": (
        "every_alarm_tells_somebody_when_it_begins_and_ends",
        lambda t: alarm(t, "PullsLate").pop("AlarmActions"),
    ),
    "an end that nobody hears of": (
        "every_alarm_tells_somebody_when_it_begins_and_ends",
        lambda t: alarm(t, "PullsLate").pop("OKActions"),
    ),
    "an alarm that does not say what silence means": (
        "every_alarm_tells_somebody_when_it_begins_and_ends",
        lambda t: alarm(t, "PullsLate").pop("TreatMissingData"),
    ),
    "a heartbeat whose end is well": (
        "silence_is_a_failure_where_a_heartbeat_is_meant",
        lambda t: alarm(t, "KeeperSilent").update(TreatMissingData="notBreaching"),
    ),
    "a quiet night that is a failure": (
        "silence_is_a_failure_where_a_heartbeat_is_meant",
        lambda t: alarm(t, "ApiFailing").update(TreatMissingData="breaching"),
    ),
    "too many beats": (
        "silence_is_a_failure_where_a_heartbeat_is_meant",
        lambda t: alarm(t, "KeeperSilent").update(ComparisonOperator="GreaterThanThreshold"),
    ),
    "a metric that nobody writes": (
        "every_alarm_reads_what_is_written",
        lambda t: alarm(t, "PullsLate").update(MetricName="PullsBelated"),
    ),
    "a metric of another dimension": (
        "every_alarm_reads_what_is_written",
        lambda t: alarm(t, "PullsLate").update(Dimensions=[{"Name": "Connection", "Value": "con_1"}]),
    ),
    "a metric that AWS does not have": (
        "every_alarm_reads_what_is_written",
        lambda t: metric(t, "FunctionErrors", 1)["Metric"].update(MetricName="Crashes"),
    ),
    "a queue that is not there": (
        "every_alarm_reads_what_is_written",
        lambda t: alarm(t, "PullsDead").update(
            Dimensions=[{"Name": "QueueName", "Value": {"Fn::GetAtt": ["PushesDeadQueue", "QueueName"]}}]
        ),
    ),
    "a sum of ages": (
        "every_alarm_uses_a_statistic_that_fits",
        lambda t: alarm(t, "PullsLate").update(Statistic="Sum"),
    ),
    "the greatest of many ones": (
        "every_alarm_uses_a_statistic_that_fits",
        lambda t: metric(t, "WithingsRefusing", 1).update(Stat="Maximum"),
    ),
    "an expression that leaves a function out": (
        "expressions_use_what_they_define",
        lambda t: alarm(t, "FunctionErrors")["Metrics"][0].update(Expression="SUM([ingest, fetcher])"),
    ),
    "eleven metrics": (
        "expressions_use_what_they_define",
        lambda t: alarm(t, "FunctionErrors").update(
            Metrics=[{"Id": "all", "Expression": f"SUM([{', '.join('abcdefghijk')}])"}]
            + [{**copy.deepcopy(alarm(t, "FunctionErrors")["Metrics"][1]), "Id": name} for name in "abcdefghijk"]
        ),
    ),
    "two days back": (
        "no_alarm_looks_back_further_than_it_may",
        lambda t: alarm(t, "PullsLate").update(EvaluationPeriods=577),
    ),
    "eight days back": (
        "no_alarm_looks_back_further_than_it_may",
        lambda t: alarm(t, "KeeperDailySilent").update(EvaluationPeriods=192),
    ),
    "a plot of nothing": ("the_dashboard_shows_what_is_written", body('"PullAge"', '"PullYouth"')),
    "a plot of a function that is not there": (
        "the_dashboard_shows_what_is_written",
        body("${AWS::StackName}-fanout", "${AWS::StackName}-fanin"),
    ),
    "an alarm that is not shown": (
        "the_dashboard_shows_every_alarm_and_leads_to_every_runbook",
        body('"${PullsLateAlarm.Arn}", ', ""),
    ),
    "a runbook that nothing leads to": (
        "the_dashboard_shows_every_alarm_and_leads_to_every_runbook",
        links("](${RunbooksUrl}pulls-late.md)", "]"),
    ),
    "a query that is named and not there": (
        "the_dashboard_shows_every_alarm_and_leads_to_every_runbook",
        lambda t: t["Resources"].pop("SlowPullsQuery"),
    ),
    "a widget over another": ("widgets_do_not_overlap", body('"x": 8,', '"x": 7,')),
    "a field that nobody logs": (
        "queries_ask_for_what_is_logged",
        question("SlowPulls", "fields.took_ms", "fields.lasted_ms"),
    ),
    "a message that nobody logs": ("queries_ask_for_what_is_logged", question("SlowPulls", '"pulled"', '"pushed"')),
    "a metric that is in no line": (
        "queries_ask_for_what_is_logged",
        question("ColdStarts", "ColdStarts", "ChillyStarts"),
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_broken_is_noticed(breakage: str) -> None:
    name, damage = BREAKAGES[breakage]
    assert complaints(RULES, name, watch(damaged(TRANSLATED, damage)))


def test_a_runbook_that_is_left_over_is_noticed(tmp_path: pathlib.Path) -> None:
    runbooks = tmp_path / "runbooks"
    shutil.copytree(alarms.RUNBOOKS, runbooks)
    (runbooks / "left-over.md").write_text("# left-over\n")
    found = list(alarms.every_alarm_has_its_runbook_and_every_runbook_its_alarm(watch(runbooks=runbooks)))
    assert found == ["docs/runbooks/left-over.md: no alarm names it"]


def test_every_rule_is_shown_to_fail() -> None:
    assert unshown(RULES, BREAKAGES) == set()


@pytest.mark.parametrize("page", sorted(alarms.RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_says_what_somebody_needs_at_night(page: pathlib.Path) -> None:
    if page.stem == "README":
        return
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Look", "Act", "Undo", "Heals by itself", "Call"]
