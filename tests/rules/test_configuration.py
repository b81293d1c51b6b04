"""The keys of the front matter: what the Hub takes for each, and no word about what it takes."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.findings import Severity
from spaceops.fixes import fix
from spaceops.preflight import check
from spaceops.rules import all_rules
from spaceops.rules.cardfields import CHECKS, COLORS, FLAVORS, HEADERS, KEYS, LICENSES, is_emoji, license_like, seconds
from spaceops.rules.examples import GOOD, write

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
README = GOOD["README.md"]
OURS = ("spaceops.rules.card", "spaceops.rules.configuration")
CODES = [code for code, rule in all_rules().items() if rule.body.__module__ in OURS]


def with_lines(lines):
    """The good README.md with further lines, or others for those keys that it has."""
    keys = {line.partition(":")[0] for line in lines.splitlines()}
    kept = [line for line in README.splitlines() if line.partition(":")[0] not in keys]
    return "\n".join([kept[0], lines, *kept[1:], ""])


def report(folder, lines, **change):
    """What `check` says of the good Space with these lines."""
    return check(write(folder, {"README.md": with_lines(lines), **change}))


def only(folder, lines):
    """The one finding that there is."""
    (finding,) = report(folder, lines)
    return finding


def fixed(finding):
    """The line that a fix writes."""
    before, after = README.splitlines(), finding.fix.files["README.md"].decode().splitlines()
    return next(line for line in after if line not in before)


# Each: lines, then the code and severity that they give; nothing for None.
CASES = [
    # text
    ("title: 2048", "readme-yaml-rejected", WARNING),
    ("title: true", "readme-yaml-rejected", ERROR),
    ("title: [a]", "readme-yaml-rejected", ERROR),
    ('title: "2048"', None, None),
    ("thumbnail: https://example.com/a.png", None, None),
    ("thumbnail:\n  url: a", "readme-yaml-rejected", ERROR),
    # true or false
    *(
        (f"{key}: {word}", None, None)
        for key in ("pinned", "fullWidth", "hf_oauth")
        for word in ("true", "False", '"true"')
    ),
    ("pinned: yes", "readme-yaml-rejected", ERROR),
    ("disable_embedding: maybe", "readme-yaml-rejected", ERROR),
    ("pinned: 1", "readme-yaml-rejected", WARNING),
    ("pinned:", None, None),
    # lists
    ("tags: [a, b]", None, None),
    ("tags:\n- a\n- b", None, None),
    ("tags: []", None, None),
    ("tags:", None, None),
    ("models: gpt2", "readme-yaml-rejected", WARNING),
    ("datasets: {a: b}", "readme-yaml-rejected", ERROR),
    ("tags: [1, 2]", "readme-yaml-rejected", WARNING),
    ("preload_from_hub:\n- repo_id: a/b", "readme-yaml-rejected", WARNING),
    ("preload_from_hub:\n- openai-community/gpt2 config.json", None, None),
    ("hf_oauth_scopes:\n- read-repos", None, None),
    ("hf_oauth_authorized_org: acme", None, None),
    ("hf_oauth_authorized_org: [acme, other]", None, None),
    ("hf_oauth_authorized_org: 5", "readme-yaml-rejected", WARNING),
    # numbers and choices
    ("hf_oauth_expiration_minutes: 480", None, None),
    ('hf_oauth_expiration_minutes: "480"', None, None),
    ("hf_oauth_expiration_minutes: 50000", "readme-yaml-rejected", WARNING),
    ("hf_oauth_expiration_minutes: long", "readme-yaml-rejected", WARNING),
    ("hf_oauth_expiration_minutes: [1]", "readme-yaml-rejected", ERROR),
    ("header: mini", None, None),
    ("header: none", "readme-yaml-rejected", WARNING),
    ("my.key: 1", "readme-yaml-rejected", ERROR),
    ("$key: 1", "readme-yaml-rejected", ERROR),
    # short_description
    ("short_description: " + "a" * 60, None, None),
    ("short_description: " + "a" * 61, "short-description-too-long", ERROR),
    ("short_description: " + "\u00fc" * 60, None, None),
    ("short_description: " + "\U0001f680" * 31, "short-description-too-long", WARNING),
    ("short_description: >\n  " + "a" * 60, "short-description-too-long", WARNING),
    ("short_description:", None, None),
    # colours
    *((f"colorTo: {color}", None, None) for color in COLORS),
    ('colorFrom: "#FF6200"', "color-invalid", ERROR),
    ("colorFrom: #FF6200", "color-invalid", WARNING),
    ("colorFrom: Blue", "color-invalid", WARNING),
    ("colorTo: grey", "color-invalid", ERROR),
    ("colorTo: 5", "color-invalid", ERROR),
    ("colorTo:", None, None),
    ("colorTo: # to be found", None, None),
    # emoji
    *(
        (f"emoji: {emoji}", None, None)
        for emoji in ("\U0001f680", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea", "\u265e")
    ),
    ("emoji:", None, None),
    ('emoji: ""', None, None),
    ('emoji: ":rocket:"', "emoji-invalid", WARNING),
    ("emoji: rocket", "emoji-invalid", WARNING),
    ("emoji: \u00f0\u0178\u0161\u20ac", "emoji-invalid", WARNING),
    ("emoji: [a]", "emoji-invalid", WARNING),
    # licence
    ("license: mit", None, None),
    ("license: [mit, cc-by-4.0]", None, None),
    ("license:", None, None),
    ("license: MIT", "license-invalid", WARNING),
    ("license: my-own", "license-invalid", WARNING),
    ("license: [[mit]]", "license-invalid", WARNING),
    ("license: [mit, my-own]", "license-invalid", WARNING),
    # app_port
    ("app_port: 8000", None, None),
    ("app_port: 65535", None, None),
    ('app_port: "7860"', "app-port-type", INFO),
    ("app_port: 80", "app-port-type", WARNING),
    ("app_port: 1024", "app-port-type", WARNING),
    ("app_port: 0", "app-port-type", ERROR),
    ("app_port: 70000", "app-port-type", ERROR),
    ("app_port: [7860]", "app-port-type", ERROR),
    ("app_port: seven", "app-port-type", ERROR),
    ("app_port: true", "app-port-type", ERROR),
    ("app_port: 7860.5", "app-port-type", WARNING),
    ("app_port:", "app-port-type", WARNING),
    # other keys
    ("suggested_storage: small", "suggested-storage-ignored", INFO),
    ("suggested_storage:", None, None),
    ("app_file: app.py", "docker-irrelevant-keys", INFO),
    ("sdk_version: 4.44.1", "docker-irrelevant-keys", INFO),
    ("python_version: '3.10'", "docker-irrelevant-keys", INFO),
    ("python_version: 3.11", "docker-irrelevant-keys", INFO),
    ("python_version: 3.10", "yaml-float-version", WARNING),
    ("sdk_version: 5.20", "yaml-float-version", WARNING),
    ("sdk_version: 5.0", "docker-irrelevant-keys", INFO),
    *(
        (f"startup_duration_timeout: {text}", None, None)
        for text in ("30m", "1h", "350m", "1.5h", "90 minutes", "3600s")
    ),
    ("startup_duration_timeout: 3600", "startup-timeout-format", WARNING),
    ("startup_duration_timeout: one hour", "startup-timeout-format", WARNING),
    ("startup_duration_timeout: 8h", "startup-timeout-format", WARNING),
    ("startup_duration_timeout: 0m", "startup-timeout-format", WARNING),
    ("base_path: /docs", None, None),
    ("base_path: docs", "base-path-format", WARNING),
    ("base_path: https://example.com", "base-path-format", WARNING),
    *((f"custom_headers:\n  {key}: {value}", None, None) for key in HEADERS for value in HEADERS[key]),
    ("custom_headers:\n  x-frame-options: DENY", "custom-headers-invalid", WARNING),
    ("custom_headers:\n  Cross-Origin-Opener-Policy: same-origin", "custom-headers-invalid", WARNING),
    ("custom_headers:\n  cross-origin-opener-policy: all", "custom-headers-invalid", WARNING),
    ("custom_headers: same-origin", "custom-headers-invalid", WARNING),
    ("custom_headers:", None, None),
    *((f"suggested_hardware: {name}", None, None) for name in FLAVORS if not name.startswith("zero")),
    ("suggested_hardware: t4", "hardware-unavailable", WARNING),
    ("suggested_hardware: h100", "hardware-unavailable", WARNING),
    ("suggested_hardware: [t4-small]", "hardware-unavailable", WARNING),
    ("suggested_hardware: zero-a10g", "zerogpu-docker-unsupported", WARNING),
]


@pytest.mark.parametrize(("lines", "code", "severity"), CASES, ids=[lines for lines, _, _ in CASES])
def test_a_value_gives_its_code_or_nothing(lines, code, severity, tmp_path):
    found = [(finding.code, finding.severity) for finding in report(tmp_path, lines) if finding.where != "Dockerfile"]
    about_ports = {"app-port-mismatch"}  # of another rule: the server of the good Space listens on 7860

    assert ([(code, severity)] if code else []) == [one for one in found if one[0] not in about_ports]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("colorFrom: Blue # the sky", "colorFrom: blue # the sky"),
        ('colorTo: "GRAY"', "colorTo: gray"),
        ("emoji: \u00f0\u0178\u0161\u20ac", "emoji: \U0001f680"),
        ("license: MIT", "license: mit"),
        ("license: Apache 2.0  # see LICENSE", "license: apache-2.0  # see LICENSE"),
        ('app_port: "8000"', "app_port: 8000"),
        ("tags: nlp", "tags: [nlp]"),
        ("base_path: docs/index.html", "base_path: /docs/index.html"),
        ("python_version: 3.10 # as ever", 'python_version: "3.10" # as ever'),
    ],
)
def test_a_safe_edit_changes_the_value_and_nothing_else(lines, line, tmp_path):
    findings = [finding for finding in report(tmp_path, lines) if finding.fix and finding.fix.safe]
    after = findings[0].fix.files["README.md"].decode()

    assert [after] == [with_lines(lines).replace(lines, line)] * len(findings)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("colorFrom: orange", "colorFrom: yellow"),
        ('colorFrom: "#1010F0"', "colorFrom: indigo"),
        (
            "short_description: " + "bread and " * 7 + "cake",
            "short_description: " + "bread and " * 5 + "bread",
        ),
    ],
)
def test_a_guess_is_only_proposed(lines, line, tmp_path):
    finding = only(tmp_path, lines)

    assert not finding.fix.safe
    assert line == fixed(finding)


@pytest.mark.parametrize("lines", ["suggested_storage: small", "app_file: app.py"])
def test_a_key_without_effect_is_proposed_to_go(lines, tmp_path):
    finding = only(tmp_path, lines)

    assert not finding.fix.safe
    assert finding.fix.files["README.md"].decode() == README


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        (
            "colorTo: teal",
            'The Hub does not take colorTo: "teal": "colorTo" must be one of '
            "[red, yellow, green, blue, indigo, purple, pink, gray]",
            "Write colorTo: green",
        ),
        (
            "short_description: " + "a" * 70,
            'The short_description has 70 characters: "short_description" length must be less than or equal to 60 '
            "characters long",
            "Shorten it by 10.",
        ),
        (
            "pinned: no",
            'The Hub does not take pinned: "no": "pinned" must be a boolean',
            "Write pinned: true or pinned: false",
        ),
        (
            "app_port: 80",
            'README.md says app_port: 80, a port of the system: "app_port" must be greater than or equal to 1025',
            "Write the port of your server, for most: app_port: 7860",
        ),
    ],
)
def test_the_sentence_holds_the_value_and_the_words_of_the_hub(lines, message, hint, tmp_path):
    finding = next(one for one in report(tmp_path, lines) if one.code != "app-port-mismatch")

    assert (message, hint, "README.md:2") == (finding.message, finding.hint, finding.where)


def test_a_gradio_space_with_a_cut_version_cannot_be_built(tmp_path):
    change = {"README.md": with_lines("sdk: gradio\npython_version: 3.10"), "app.py": "", "space.toml": None}
    found = {(finding.code, finding.severity) for finding in check(write(tmp_path, change))}

    assert ("yaml-float-version", ERROR) in found


@pytest.mark.parametrize(
    ("env", "variables", "is_found"),
    [
        ("HF_HOME=/tmp/hf", "", True),
        ("HF_HUB_CACHE=/models", "", True),
        ("HF_HOME=/home/user/.cache/huggingface", "", False),
        ("OTHER=/tmp", "", False),
        ("OTHER=/tmp", '[variables]\nHF_HOME = "/tmp/hf"\n', True),
    ],
)
def test_preloaded_models_are_looked_for_where_they_are(env, variables, is_found, tmp_path):
    change = {
        "Dockerfile": ("ENV HOME=/home/user", f"ENV {env} HOME=/home/user"),
        "space.toml": GOOD["space.toml"] + variables,
    }
    found = report(tmp_path, "preload_from_hub: [openai-community/gpt2]", **change)

    assert is_found == ("preload-from-hub-cache" in {finding.code for finding in found})


@pytest.mark.parametrize(
    ("hardware", "code", "severity"),
    [
        ('"t4-small"', None, None),
        ('["l4x1", "cpu-basic"]', None, None),
        ('"t4-tiny"', "hardware-unavailable", WARNING),
        ('"zero-a10g"', "zerogpu-docker-unsupported", ERROR),
    ],
)
def test_the_hardware_in_space_toml_is_known(hardware, code, severity, tmp_path):
    change = {"space.toml": f'repo_id = "acme/hello"\nhardware = {hardware}\n'}
    codes = ["hardware-unavailable", "zerogpu-docker-unsupported"]
    found = [(one.code, one.severity, one.where) for one in check(write(tmp_path, change), select=codes)]

    assert ([(code, severity, "space.toml:2")] if code else []) == found


def test_every_key_of_the_reference_is_known():
    reference = """
        title emoji colorFrom colorTo sdk python_version sdk_version suggested_hardware suggested_storage app_file
        app_build_command app_port base_path fullWidth header short_description models datasets tags thumbnail pinned
        hf_oauth hf_oauth_scopes hf_oauth_expiration_minutes hf_oauth_authorized_org disable_embedding
        startup_duration_timeout custom_headers preload_from_hub license
    """

    assert set(reference.split()) == set(KEYS)
    assert CHECKS.keys() <= set(KEYS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MIT License", "mit"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache2", "apache-2.0"),
        ("GPLv3", "gpl-3.0"),
        ("AGPL-3", "agpl-3.0"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("BSD 3-Clause", "bsd-3-clause"),
        ("llama 3.1", "llama3.1"),
        ("proprietary", None),
        ("all rights reserved", None),
    ],
)
def test_other_spellings_of_a_licence_are_known(text, name):
    assert name == license_like(text)


def test_every_licence_is_like_itself_alone():
    assert LICENSES == {license_like(name) for name in LICENSES}


def test_durations_and_emoji_are_told_from_other_text():
    assert (1800, 5400, 86_400, None, None) == tuple(map(seconds, ("30m", "1.5 hours", "1d", "30", "m")))
    assert not any(map(is_emoji, ("", "a", "\U0001f680 x", "\u00f0\u0178")))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        [*COLORS, "docker", "gradio", "streamlit", "mit", "zero-a10g", "30m", "/a", "true", "7860", "3.10"]
    ),
)
ANY = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


@settings(max_examples=int(os.environ.get("SPACEOPS_EXAMPLES", "20")))
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), ANY), st.booleans())
def test_no_value_brings_a_rule_down(tmp_path_factory, fields, has_spec):
    readme = f"---\n{json.dumps({'sdk': 'docker', **fields})}\n---\n"
    change = {"README.md": readme.encode(errors="replace"), **({} if has_spec else {"space.toml": None})}
    folder = write(tmp_path_factory.mktemp("space"), change)

    assert () == check(folder, select=CODES).notes
    assert () == fix(folder, select=CODES).report.notes
