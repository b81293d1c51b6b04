"""What the app answers about pictures, over HTTP."""

import gc
import hashlib
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from images import MAX_BYTES
from main import create_app


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def traffic_light() -> bytes:
    """A drawing that anybody would recognise."""
    image = Image.new("RGB", (300, 300), (140, 190, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((140, 230, 160, 300), fill=(60, 64, 67))
    draw.rounded_rectangle((97, 30, 203, 235), 16, fill=(32, 34, 36))
    for y, colour in ((69, (255, 42, 18)), (132, (74, 58, 8)), (195, (11, 51, 23))):
        draw.ellipse((150 - 26, y - 26, 150 + 26, y + 26), fill=colour)
    return encoded(image)


PICTURE = traffic_light()
GREY = encoded(Image.new("L", (60, 40), 128))


@pytest.fixture(scope="module")
def client():
    """One app for all, because a picture leaves nothing behind."""
    app = create_app({})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        yield client


def test_a_picture_gets_labels_with_scores_the_best_first(client):
    response = client.post("/classify", files={"file": PICTURE})

    assert 200 == response.status_code
    labels, scores = zip(*((one["label"], one["score"]) for one in response.json()["labels"]), strict=True)
    assert "traffic light" == labels[0]
    assert 5 == len(set(labels))
    assert 0.5 < scores[0] <= 1
    assert list(scores) == sorted(scores, reverse=True)


def test_an_answer_names_the_picture_its_size_the_time_and_the_model(client):
    body = client.post("/classify", content=GREY).json()

    assert (60, 40) == (body["width"], body["height"])
    assert hashlib.sha256(GREY).hexdigest() == body["sha256"]
    assert "EfficientNet-Lite0" == body["backend"]
    assert 0 < body["milliseconds"] < 30_000


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/octet-stream", "text/plain", ""])
def test_the_bytes_say_what_a_picture_is_not_the_header(client, content_type):
    as_body = client.post("/classify", content=PICTURE, headers={"Content-Type": content_type})
    as_form = client.post("/classify", files={"file": ("../../etc/passwd\0.exe", PICTURE, content_type)})

    assert 200 == as_body.status_code == as_form.status_code
    assert as_form.json()["labels"] == as_body.json()["labels"]


def test_a_form_is_a_form_in_capitals_too(client):
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + GREY + b"\r\n--b--\r\n"

    response = client.post("/classify", content=form, headers={"Content-Type": "Multipart/Form-Data; boundary=b"})

    assert 200 == response.status_code


@pytest.mark.parametrize(("top", "labels"), [(1, 1), (20, 20)])
def test_as_many_labels_as_wanted(client, top, labels):
    assert labels == len(client.post("/classify", params={"top": top}, content=GREY).json()["labels"])


@pytest.mark.parametrize("top", [0, 21, "many"])
def test_no_other_number_of_labels(client, top):
    assert 422 == client.post("/classify", params={"top": top}, content=GREY).status_code


def test_the_same_picture_gets_the_same_labels_beside_others():
    """What is answered in one pass with others does not depend on them."""
    app = create_app({"MAX_BATCH": "4"})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        alone = client.post("/classify", content=PICTURE).json()["labels"]
        pixels = app.state.loader.model.preprocessing.pixels(Image.open(io.BytesIO(PICTURE)))
        together = app.state.loader.model.predict([pixels[::-1], pixels, pixels[:, ::-1]])[1]

    assert alone[0]["score"] == pytest.approx(float(together.max()), abs=1e-4)


@pytest.mark.parametrize(
    ("status", "detail", "sent"),
    [
        (415, "This is no picture in JPEG, PNG, WebP, GIF or BMP.", {"content": b"secret"}),
        (415, "This is no picture in JPEG, PNG, WebP, GIF or BMP.", {"content": b""}),
        (415, "This is no picture in JPEG, PNG, WebP, GIF or BMP.", {"files": {"file": ("secret.png", b"secret")}}),
        (
            415,
            "This is no picture in JPEG, PNG, WebP, GIF or BMP.",
            {"content": encoded(Image.new("L", (9, 9)), "TIFF")},
        ),
        (422, "The picture is damaged or cut off.", {"content": PICTURE[:200]}),
        (422, "The form has no picture in a field named file.", {"files": {"secret": PICTURE}}),
        (422, "The form has no picture in a field named file.", {"files": {"other": (None, "secret")}}),
        (422, "The form has no picture in a field named file.", {"files": {"file": (None, "secret")}}),
        (400, "Part exceeded maximum size of 1KB.", {"files": {"other": (None, "secret" * 200)}}),
        (
            400,
            "Too many fields. Maximum number of fields is 10.",
            {"files": [(f"field {n}", (None, "secret")) for n in range(11)]},
        ),
        (
            400,
            "Missing boundary in multipart.",
            {"content": b"secret", "headers": {"Content-Type": "multipart/form-data"}},
        ),
        (
            400,
            "The form is not in the charset that it names.",
            {
                "content": b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nsecret\r\n--b--\r\n',
                "headers": {"Content-Type": "multipart/form-data; boundary=b; charset=undefined"},
            },
        ),
        (400, "Too many files. Maximum number of files is 1.", {"files": {"file": PICTURE, "secret": PICTURE}}),
        (413, "The request's body is larger than 10,485,760 bytes.", {"content": b"secret" * (MAX_BYTES // 6 + 1)}),
    ],
)
def test_what_is_no_good_picture_is_refused_in_one_shape(client, status, detail, sent):
    response = client.post("/classify", **sent)

    assert (status, detail) == (response.status_code, response.json()["detail"])
    assert "application/problem+json" == response.headers["Content-Type"]
    assert "secret" not in response.text


def test_a_client_is_forgotten_when_its_pictures_are_answered(client):
    assert 200 == client.post("/classify", content=PICTURE).status_code
    gc.collect()  # errors of the tests before may still refer to where they were raised

    assert [] == list(client.app.state.turns.lines)


def test_a_bomb_is_refused_by_its_header(client):
    """8 kB as a file, 200 MB as a picture."""
    response = client.post("/classify", content=encoded(Image.new("1", (8000, 8000))))

    assert 413 == response.status_code
    assert "The picture has 8000 x 8000 pixels; at most 40,000,000 are allowed." == response.json()["detail"]


def test_what_a_picture_is_called_gets_into_no_log(capsys):
    app = create_app({"LOG_LEVEL": "debug"})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        for data in (GREY, b"no picture", GREY[:40]):
            client.post("/classify", files={"file": ("my-secret.png", data)}, params={"note": "my-secret"})
    log = capsys.readouterr().err

    assert 3 == log.count("/classify")
    assert "secret" not in log


def test_an_upload_leaves_no_file_behind(client, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = encoded(Image.effect_noise((2000, 1500), 100))  # more than Starlette keeps in memory
    assert len(large) > 2**20

    assert 200 == client.post("/classify", files={"file": large}).status_code
    assert [] == list(tmp_path.iterdir())


def test_when_too_many_pictures_wait_the_rest_is_told_to_come_back():
    app = create_app({"MAX_WAITING": "1"})
    large = encoded(Image.effect_noise((800, 800), 100))
    with TestClient(app) as client, ThreadPoolExecutor(12) as people:
        assert app.state.loader.finished.wait(30)
        responses = list(people.map(lambda _: client.post("/classify", content=large), range(16)))

    refused = [response for response in responses if response.status_code != 200]
    assert 0 < len(refused) < len(responses)
    assert {503} == {response.status_code for response in refused}
    assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)


def test_many_people_at_once_each_get_the_answer_to_their_own_picture(client):
    pictures = [encoded(Image.new("RGB", (40 + index, 30), (255 * (index % 2), 8 * index, 99))) for index in range(10)]
    alone = [client.post("/classify", content=picture).json() for picture in pictures]

    with ThreadPoolExecutor(len(pictures)) as people:
        together = list(people.map(lambda picture: client.post("/classify", content=picture).json(), pictures))

    for one, other in zip(alone, together, strict=True):
        assert (one["sha256"], one["width"]) == (other["sha256"], other["width"])
        scores = {label["label"]: label["score"] for label in one["labels"]}
        assert scores == pytest.approx({label["label"]: label["score"] for label in other["labels"]}, abs=2e-4)


def test_while_the_model_loads_a_picture_is_not_even_read():
    client = TestClient(create_app({}))  # outside `with`, so that nothing starts the loader

    response = client.post("/classify", content=PICTURE)

    assert (503, "2") == (response.status_code, response.headers["Retry-After"])


def test_a_token_is_asked_for_when_one_is_set():
    app = create_app({"API_TOKEN": "correct-horse"})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        refused = client.post("/classify", content=GREY)
        allowed = client.post("/classify", content=GREY, headers={"Authorization": "Bearer correct-horse"})

    assert (401, 200) == (refused.status_code, allowed.status_code)


def test_the_api_says_what_it_takes(client):
    operation = client.get("/openapi.json").json()["paths"]["/classify"]["post"]

    assert {"multipart/form-data", "image/*"} == set(operation["requestBody"]["content"])
    assert {"200", "400", "401", "413", "415", "422", "429", "503"} <= set(operation["responses"])


@pytest.mark.parametrize(
    "name", ["index.html", "app.js", "pictures.css", *(f"examples/{n}.svg" for n in ("ball", "clock"))]
)
def test_what_the_page_needs_is_served(client, name):
    assert (Path(__file__).parents[1] / "static" / name).read_bytes() == client.get(f"/static/{name}").content
