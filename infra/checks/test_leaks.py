"""The search for leaks sees what it is to see."""

import pathlib

import leaks
import pytest

EXAMPLES = {
    "an access token, refresh token or code of Withings": "70ce4070ce40" + "ab" * 14,
    "an API key": f"afk_{'a1' * 13}_{'0f' * 32}",
    "a signing secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a link's token": "lnk_" + "0123" * 16,
    "a bearer's header": "authorization: Bearer abcdefgh01234567",
    "an AWS signature": "AWS4-HMAC-SHA256 Credential=AKIA",
}


def run(folder: pathlib.Path, line: str, part: str = "logs") -> list[str]:
    for name, text in (
        ("planted", "weight\t87.6543219\nweight, raw\t876543219\n"),
        (part, f'{{"level":"INFO"}}\n{line}\n'),
    ):
        (folder / name).mkdir()
        (folder / name / "1-2.txt").write_text(text)
    return list(leaks.leaks(folder))


def test_every_kind_of_secret_has_an_example() -> None:
    assert EXAMPLES.keys() == leaks.LOOKS.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_secret_is_known_by_its_looks(kind: str, tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, f"fetcher a line with {EXAMPLES[kind]} in it") == [f"logs/1-2.txt:2: {kind}"]


@pytest.mark.parametrize("part", leaks.SEARCHED)
def test_a_planted_value_is_found_wherever_it_is_and_is_not_repeated(part: str, tmp_path: pathlib.Path) -> None:
    found = run(tmp_path, '{"message":"stored 876543219 as 87.6543219"}', part)
    assert found == [f"{part}/1-2.txt:2: weight", f"{part}/1-2.txt:2: weight, raw"]


def test_a_clean_line_is_clean(tmp_path: pathlib.Path) -> None:
    assert run(tmp_path, '{"message":"a webhook was sent","event":"evt_0123","digest":"70ce40"}') == []


def test_a_run_without_logs_fails(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leaks.main(str(tmp_path)) == 1
    assert "was the whole suite run with traces?" in capsys.readouterr().out
