"""What several processes expose, made one text that Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from longshore.http.exposition import merged

ONE = """# HELP done_total Tasks that are done.
# TYPE done_total counter
done_total{task="say \\"{hi} there\\""} 3
# HELP slots Slots.
# TYPE slots gauge
slots 20
"""
TWO = """# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1"} 1
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 3.5
wait_seconds_count 2
# HELP slots Slots.
# TYPE slots gauge
slots{} 10
"""


def test_each_family_stands_once_and_each_sample_says_whose_it_is() -> None:
    text = merged({"0": ONE, "1": TWO})

    families = {each.name: each for each in text_string_to_metric_families(text)}
    assert sorted(families) == ["done", "slots", "wait_seconds"]
    assert text.count("# TYPE slots gauge") == 1
    assert [(each.labels, each.value) for each in families["slots"].samples] == [
        ({"process": "0"}, 20.0),
        ({"process": "1"}, 10.0),
    ]
    assert [each.labels for each in families["done"].samples] == [
        {"process": "0", "task": 'say "{hi} there"'}
    ]
    assert {each.labels["process"] for each in families["wait_seconds"].samples} == {"1"}


def test_of_nobody_there_is_nothing() -> None:
    text = merged({})

    assert text == ""


def test_a_label_may_hold_whatever_ends_a_line_elsewhere() -> None:
    label = "a\u2028b\x85c\rd\x0be{}"

    text = merged({"0": f'# TYPE depth gauge\ndepth{{queue="{label}"}} 1\n'})

    assert text == f'# TYPE depth gauge\ndepth{{process="0",queue="{label}"}} 1\n'
