"""What a newcomer does: `miaopi run`, then everything that it leaves is verified."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MIAOPI = (sys.executable, "-m", "decision_service")


def _miaopi(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **more}
    return subprocess.run(
        [*MIAOPI, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """`miaopi run --once` on a new store: what it printed, and the store."""
    store = tmp_path_factory.mktemp("city") / "store"
    ran = _miaopi("run", "--once", MIAOPI_STORE=str(store), MIAOPI_PORT="0")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, store


def test_a_newcomer_sees_every_way_an_application_can_end(shown: tuple[str, Path]) -> None:
    printed, _ = shown
    for word in ("准予 approved", "转人工办理 referred", "请补正 needs correction", "等待数据源"):
        assert word in printed
    assert "回执已核验 receipt verified" in printed
    assert "monthly allowance" in printed
    assert "企业住所变更" in printed
    assert "免交材料 4 份 papers not brought" in printed
    assert printed.count("回执已核验 receipt verified") == 2


def test_the_store_that_it_leaves_is_sound(shown: tuple[str, Path]) -> None:
    _, store = shown
    ran = _miaopi("audit", "verify", "--store", str(store))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_receipt_that_it_leaves_verifies_and_a_changed_one_does_not(
    shown: tuple[str, Path], tmp_path: Path
) -> None:
    _, store = shown
    receipts = {one: one.read_text(encoding="utf-8") for one in (store / "receipts").glob("*.json")}
    assert all(_miaopi("receipt", "verify", str(one)).returncode == 0 for one in receipts)
    receipt = next(one for one, text in receipts.items() if "月津贴额" in text)

    forged = tmp_path / "forged.json"
    text = receipt.read_text(encoding="utf-8")
    assert "500.00" in text or "1000.00" in text or "300.00" in text or "200.00" in text
    forged.write_text(text.replace("00.00", "99.00"), encoding="utf-8")
    ran = _miaopi("receipt", "verify", str(forged))
    assert ran.returncode == 1


def test_its_log_has_one_line_a_request_and_nobody_in_it(shown: tuple[str, Path]) -> None:
    _, store = shown
    text = (store / "service.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    handled = [line for line in lines if line["event"] == "request.handled"]
    assert len(handled) > 10
    assert len({line["request_id"] for line in handled if "Decide" in line["method"]}) == sum(
        "Decide" in line["method"] for line in handled
    )
    assert "990000" not in text


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """`miaopi run`, still serving: its address and a token."""
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "MIAOPI_STORE": str(tmp_path / "store"),
        "MIAOPI_PORT": "0",
    }
    with subprocess.Popen(
        [*MIAOPI, "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        address, token, output = "", "", process.stdout
        assert output is not None
        started = time.monotonic()
        for line in output:
            if line.startswith("地址 address"):
                address = line.split()[-1]
            if "export MIAOPI_TOKEN=" in line:
                token = line.partition("export MIAOPI_TOKEN=")[2].strip()
            if "Ctrl-C" in line or time.monotonic() - started > 60:
                break
        yield address, token
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_a_stranger_calls_it_with_other_peoples_tools(serving: tuple[str, str]) -> None:
    """`buf curl` finds the contract by reflection; without a token it gets nothing."""
    address, token = serving
    call = [
        str(Path(sys.executable).parent / "buf"),
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "-d",
        "{}",
    ]
    url = f"http://{address}/decision_service.v1.MatterService/ListMatters"
    bearer = ["-H", f"authorization: Bearer {token}"]

    answered = subprocess.run([*call, *bearer, url], capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr
    published = sorted(folder.name for folder in (ROOT / "matters").iterdir() if folder.is_dir())
    assert [one["id"] for one in json.loads(answered.stdout)["matters"]] == published
    refused = subprocess.run([*call, url], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "unauthenticated" in refused.stderr

    listed = _miaopi("matters", "--json", "--address", address, MIAOPI_TOKEN=token)
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == len(published)
