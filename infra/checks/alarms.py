"""What must hold of alarms, dashboard and saved queries: everything that they name is there, and is explained."""

import json
import pathlib
import re
from collections.abc import Iterator

from stack import Stack, target

ROOT = pathlib.Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"

# Metrics of AWS, as its user guides name them, and the dimension that says whose they are.
OF_AWS = {
    "AWS/Lambda": ("FunctionName", {"Duration", "Errors", "Invocations", "IteratorAge", "Throttles"}),
    "AWS/SQS": (
        "QueueName",
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfEmptyReceives",
            "NumberOfMessagesSent",
        },
    ),
    "AWS/DynamoDB": ("TableName", {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}),
    "AWS/Logs": ("LogGroupName", {"IncomingBytes"}),
}

# What CloudWatch allows an expression in an alarm to read (its user guide, "Limits").
MOST_METRICS = 10

# How far back an alarm may look, in seconds; and where a period is an hour or longer (PutMetricAlarm).
LONGEST_LOOK = 86400
LONGEST_LOOK_BY_HOURS = 7 * 86400

# What explains the alarms that ring for nobody and take a deployment back.
TAKEN_BACK = "release-taken-back"

# Alarms that a new stack does not have; the dashboard cannot show them.
OPTIONAL = {"NoNotificationsAlarm"}

QUERY = "AWS::Logs::QueryDefinition"

Metric = tuple[str, str, dict[str, object]]


class Watch:
    """Alarms, dashboard and queries of a translated template, and what they may name.

    `catalogue` says of each of our metrics how it is read; `code` is the text of the functions, with what they log.
    """

    def __init__(self, stack: Stack, catalogue: dict[str, str], code: str, runbooks: pathlib.Path = RUNBOOKS) -> None:
        self.stack = stack
        self.catalogue = catalogue
        self.code = code
        self.runbooks = runbooks

    def alarms(self) -> Iterator[tuple[str, str, dict]]:
        """Every alarm that rings for somebody: its logical name, its name after the stack's, its properties.

        Those that only take a deployment back are not among them.
        """
        for logical, name, alarm in self._all_alarms():
            if not name.startswith("deployment-"):
                yield logical, name, alarm

    def taking_back(self) -> Iterator[tuple[str, dict]]:
        """The others: logical name, properties."""
        for logical, name, alarm in self._all_alarms():
            if name.startswith("deployment-"):
                yield logical, alarm

    def _all_alarms(self) -> Iterator[tuple[str, str, dict]]:
        for logical, item in self.stack.of_type("AWS::CloudWatch::Alarm").items():
            name = text(item["Properties"]["AlarmName"]).removeprefix("${AWS::StackName}-")
            yield logical, name, item["Properties"]

    def pages(self) -> set[str]:
        """The runbooks that there are."""
        return {page.stem for page in self.runbooks.glob("*.md")} - {"README"}

    def read(self, alarm: dict) -> Iterator[Metric]:
        """The metrics that an alarm reads: namespace, name, dimensions."""
        stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in stats or [alarm]:
            dimensions = {item["Name"]: item["Value"] for item in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], dimensions

    def dashboard(self) -> dict:
        """The dashboard's body, with its links to runbooks; other `${…}` are left as they are."""
        (item,) = self.stack.of_type("AWS::CloudWatch::Dashboard").values()
        body, own = item["Properties"]["DashboardBody"]["Fn::Sub"]
        for name, value in own.items():
            if name.startswith("Runbook"):
                body = body.replace("${" + name + "}", text(value))
        return json.loads(body)

    def widgets(self, kind: str) -> list[dict]:
        return [item for item in self.dashboard()["widgets"] if item["type"] == kind]

    def shown(self) -> Iterator[Metric]:
        """The metrics that the dashboard shows."""
        for widget in self.widgets("metric"):
            before: list[str] = []
            for entry in widget["properties"]["metrics"]:
                names = [name for name in entry if isinstance(name, str)]
                # A dot stands for what the metric before has in its place.
                names = [before[place] if name == "." else name for place, name in enumerate(names)]
                before = names
                namespace, name, *dimensions = names
                yield namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))


def catalogue(document: str) -> dict[str, str]:
    """The metrics of docs/metrics.md, each with its statistic; those of a family (`Calls.<service>`) one by one."""
    found = {}
    families = dict(re.findall(r"^`([A-Za-z]+)\.`: (.*)\.$", document, re.MULTILINE))
    for name, statistic in re.findall(r"^\| `([^`]+)` \| \w+ \| ([^|]+) \|", document, re.MULTILINE):
        family, _, member = name.partition(".")
        members = re.findall(r"`([a-z_]+)`", families[family]) if member else []
        found |= {f"{family}.{member}": statistic for member in members} if member else {name: statistic}
    return found


def of_code() -> str:
    """The text of everything that logs."""
    files = [path for folder in ("functions", "shared") for path in sorted((ROOT / folder).glob("**/src/**/*.rs"))]
    return "\n".join(path.read_text() for path in files)


def text(value: object) -> str:
    """A text, or that of a Sub."""
    if isinstance(value, dict):
        value = value["Fn::Sub"]
        return value if isinstance(value, str) else value[0]
    return str(value)


def runbook(description: object) -> str | None:
    """The runbook that an alarm's description ends with."""
    found = re.search(r" \$\{RunbooksUrl\}([a-z-]+)\.md$", text(description))
    return found[1] if found else None


def _known(watch: Watch, metric: Metric) -> str | None:
    """What is wrong with a metric's name or its dimensions."""
    namespace, name, dimensions = metric
    if namespace == "Afferent":
        if name not in watch.catalogue:
            return f"{name} is not in docs/metrics.md"
        if list(dimensions) != ["Stack"] or dimensions["Stack"] not in ({"Ref": "AWS::StackName"}, "${AWS::StackName}"):
            return f"{name} has the one dimension Stack, the stack's name"
        return None
    dimension, names = OF_AWS.get(namespace, ("", set()))
    if name not in names:
        return f"{namespace} {name} is no metric that is known here"
    if list(dimensions) != [dimension]:
        return f"{namespace} {name} is read by {dimension}"
    value = dimensions[dimension]
    resources = watch.stack.template["Resources"]
    if isinstance(value, dict):
        return None if target(value) in resources else f"{namespace} {name}: nothing is called {value}"
    places = {
        "FunctionName": ("AWS::Lambda::Function", "FunctionName"),
        "QueueName": ("AWS::SQS::Queue", "QueueName"),
        "TableName": ("AWS::DynamoDB::Table", "TableName"),
        "LogGroupName": ("AWS::Logs::LogGroup", "LogGroupName"),
    }
    kind, attribute = places[dimension]
    there = {text(item["Properties"][attribute]) for item in watch.stack.of_type(kind).values()}
    return None if value in there else f"{namespace} {name}: no {dimension} is {value}"


def every_alarm_has_its_runbook_and_every_runbook_its_alarm(watch: Watch) -> Iterator[str]:
    named = {"monthly-cost", TAKEN_BACK}
    for logical, _, alarm in watch.alarms():
        page = runbook(alarm.get("AlarmDescription", ""))
        if page is None:
            yield f"{logical}: its description does not end with a runbook"
        elif page not in watch.pages():
            yield f"{logical}: there is no docs/runbooks/{page}.md"
        else:
            named.add(page)
    for page in sorted(watch.pages() - named):
        yield f"docs/runbooks/{page}.md: no alarm names it"


def what_takes_a_release_back_is_explained(watch: Watch) -> Iterator[str]:
    if TAKEN_BACK not in watch.pages():
        yield f"there is no docs/runbooks/{TAKEN_BACK}.md"
    for logical, alarm in watch.taking_back():
        if runbook(alarm.get("AlarmDescription", "")) != TAKEN_BACK:
            yield f"{logical}: its description does not end with the runbook {TAKEN_BACK}"
        for metric in watch.read(alarm):
            # Those of AWS are named with more dimensions here: which version, which alias, which API.
            if metric[0] == "Afferent" and (complaint := _known(watch, metric)):
                yield f"{logical}: {complaint}"


def the_index_lists_every_alarm(watch: Watch) -> Iterator[str]:
    index = (watch.runbooks / "README.md").read_text()
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| \[[a-z-]+\]\(([a-z-]+)\.md\)", index, re.MULTILINE))
    alarms = {name: runbook(alarm["AlarmDescription"]) for _, name, alarm in watch.alarms()}
    alarms["monthly-cost"] = "monthly-cost"
    for name in sorted(alarms.keys() | listed.keys()):
        if alarms.get(name) != listed.get(name):
            yield f"README.md: {name} is {listed.get(name)} there and {alarms.get(name)} in the template"


def every_alarm_tells_somebody_when_it_begins_and_ends(watch: Watch) -> Iterator[str]:
    for logical, name, alarm in watch.alarms():
        for actions in ("AlarmActions", "OKActions"):
            if alarm.get(actions) != [{"Ref": "AlarmTopic"}]:
                yield f"{logical}: {actions} are not the topic of alarms"
        if "TreatMissingData" not in alarm:
            yield f"{logical}: it does not say what no data mean"
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name):
            yield f"{logical}: its name is {name}"


def silence_is_a_failure_where_a_heartbeat_is_meant(watch: Watch) -> Iterator[str]:
    # Of these metrics no data is the very thing that the alarm is for. Of the others it means that nothing happened.
    beats = {"KeeperMinutes", "KeeperDays", "NotificationsReceived"}
    for logical, _, alarm in watch.alarms():
        beat = any(name in beats for _, name, _ in watch.read(alarm))
        if beat != (alarm.get("TreatMissingData") == "breaching"):
            yield f"{logical}: what no data mean"
        if beat and alarm["ComparisonOperator"] != "LessThanThreshold":
            yield f"{logical}: a heartbeat is missed when there are too few of it"


def every_alarm_reads_what_is_written(watch: Watch) -> Iterator[str]:
    for logical, _, alarm in watch.alarms():
        for metric in watch.read(alarm):
            if complaint := _known(watch, metric):
                yield f"{logical}: {complaint}"


def every_alarm_uses_a_statistic_that_fits(watch: Watch) -> Iterator[str]:
    # A sum of ages, or the greatest of many ones, says nothing.
    for logical, _, alarm in watch.alarms():
        queries = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for query in queries or [{"Metric": alarm, "Stat": alarm.get("Statistic") or alarm["ExtendedStatistic"]}]:
            name = query["Metric"]["MetricName"]
            if query["Metric"]["Namespace"] == "Afferent" and name in watch.catalogue:
                if (watch.catalogue[name] == "Sum") != (query["Stat"] == "Sum"):
                    yield f"{logical}: {query['Stat']} of {name}"


def expressions_use_what_they_define(watch: Watch) -> Iterator[str]:
    for logical, _, alarm in watch.alarms():
        queries = alarm.get("Metrics", [])
        if not queries:
            continue
        ids = {query["Id"] for query in queries if "MetricStat" in query}
        (expression,) = [text(query["Expression"]) for query in queries if "Expression" in query]
        used = set(re.findall(r"(?<![A-Za-z$:{])[a-z]+\b", re.sub(r"\$\{[^}]*\}", "", expression)))
        if used != ids:
            yield f"{logical}: {sorted(used ^ ids)} defined and not used, or the other way round"
        if len(ids) > MOST_METRICS:
            yield f"{logical}: reads {len(ids)} metrics"


def no_alarm_looks_back_further_than_it_may(watch: Watch) -> Iterator[str]:
    for logical, _, alarm in watch.alarms():
        periods = watch.stack.value(alarm["EvaluationPeriods"])
        if isinstance(alarm["EvaluationPeriods"], dict):
            periods = watch.stack.parameters[alarm["EvaluationPeriods"]["Ref"]]["MaxValue"]
        stats = [query["MetricStat"]["Period"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for period in set(stats) or {alarm["Period"]}:
            longest = LONGEST_LOOK_BY_HOURS if int(period) >= 3600 else LONGEST_LOOK
            if int(period) * int(periods) > longest:
                yield f"{logical}: looks back {int(period) * int(periods)} s"


def the_dashboard_shows_what_is_written(watch: Watch) -> Iterator[str]:
    for metric in watch.shown():
        if complaint := _known(watch, metric):
            yield f"the dashboard: {complaint}"


def the_dashboard_shows_every_alarm_and_leads_to_every_runbook(watch: Watch) -> Iterator[str]:
    (widget,) = watch.widgets("alarm")
    shown = {arn.removeprefix("${").removesuffix(".Arn}") for arn in widget["properties"]["alarms"]}
    there = {logical for logical, _, _ in watch.alarms()} - OPTIONAL
    for logical in sorted(shown ^ there):
        yield f"the dashboard: {logical} is shown and not there, or the other way round"
    texts = "\n".join(widget["properties"]["markdown"] for widget in watch.widgets("text"))
    linked = set(re.findall(r"\]\(\$\{RunbooksUrl\}([A-Za-z-]+)\.md\)", texts)) - {"README"}
    for page in sorted(linked ^ watch.pages()):
        yield f"the dashboard: {page} is linked and not there, or the other way round"
    queries = {text(item["Properties"]["Name"]).split("/")[1] for item in watch.stack.of_type(QUERY).values()}
    named = set(re.findall(r"\]\(\$\{Insights\}\): ([a-z, ]+)", texts))
    for query in sorted({query for list_ in named for query in list_.split(", ")} ^ queries):
        yield f"the dashboard: the query {query} is named and not there, or the other way round"


def widgets_do_not_overlap(watch: Watch) -> Iterator[str]:
    taken: set[tuple[int, int]] = set()
    for widget in watch.dashboard()["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        if cells & taken or widget["x"] + widget["width"] > 24:
            yield f"the dashboard: {widget['properties'].get('title', 'a text')} lies over something, or over the edge"
        taken |= cells


def queries_ask_for_what_is_logged(watch: Watch) -> Iterator[str]:
    for logical, item in watch.stack.of_type(QUERY).items():
        query = item["Properties"]["QueryString"]
        for field in sorted(set(re.findall(r"fields\.([a-z_]+)", query)) - {"message"}):
            if not re.search(rf"\b{field}( = |,)|[%?]([a-z_]+\.)*{field}\b", watch.code):
                yield f"{logical}: nothing logs {field}"
        for message in re.findall(r'"([A-Za-z][^"_]*)"', query):
            if f'"{message}"' not in watch.code:
                yield f"{logical}: nothing logs {message!r}"
        for metric in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", re.sub(r'"[^"]*"', "", query)):
            if metric not in watch.catalogue:
                yield f"{logical}: no metric is called {metric}"
        for group in item["Properties"]["LogGroupNames"]:
            if target(group) not in watch.stack.of_type("AWS::Logs::LogGroup"):
                yield f"{logical}: no log group is called {group}"


RULES = [
    every_alarm_has_its_runbook_and_every_runbook_its_alarm,
    what_takes_a_release_back_is_explained,
    the_index_lists_every_alarm,
    every_alarm_tells_somebody_when_it_begins_and_ends,
    silence_is_a_failure_where_a_heartbeat_is_meant,
    every_alarm_reads_what_is_written,
    every_alarm_uses_a_statistic_that_fits,
    expressions_use_what_they_define,
    no_alarm_looks_back_further_than_it_may,
    the_dashboard_shows_what_is_written,
    the_dashboard_shows_every_alarm_and_leads_to_every_runbook,
    widgets_do_not_overlap,
    queries_ask_for_what_is_logged,
]
