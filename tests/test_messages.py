"""The picture of the messages of a traced run: who sent what, and who took it."""

import re
import xml.etree.ElementTree as ElementTree

import tests.recordings
from recorder.recording import Call, Line, TracedProcess
from render.messages import FOLDED, Labels, Picture, Squeezed, match_messages

PARENT, WORKER, OTHER = 10, 20, 30
PIPE = 7  # both ends of a one-way pipe have the same inode


def call(what, began, ended, channel=0, size=0, thread=0, **more):
    """A call that a process noted; times in milliseconds."""
    values = {"failed": False, "feeder": False} | more
    end = None if ended is None else ended / 1000
    return Call(what, began / 1000, end, thread=thread, channel=channel, size=size, **values)


def process(pid, *calls, name="Process-1", left_out=0):
    """A process of a traced run; a worker has noted its life first."""
    life = () if pid == PARENT else (call("run", 0, None),)
    return TracedProcess(pid, "" if pid == PARENT else name, (*life, *calls), left_out)


def recording(*processes, **changes):
    """A traced run with these processes, the parent's first."""
    return tests.recordings.recording(traced=processes, **changes)


def elements(picture):
    """The names of the groups and paths of a picture, with the elements."""
    root = ElementTree.fromstring(picture.draw())
    return {one.get("class"): one for one in root.iter() if one.get("class")}


def words(picture):
    """What stands in a picture."""
    root = ElementTree.fromstring(picture.draw())
    return [one.text for one in root.iter() if one.tag.endswith("text")]


def sent_and_taken(found):
    """Who sent each message, how large it is, and who took it."""
    return [(m.sender[0], m.sent.size, m.receiver and m.receiver[0]) for m in found]


def test_messages_of_a_pipe_come_out_in_the_order_of_their_sending():
    sender = process(WORKER, call("send", 1, 2, PIPE, 5), call("send", 3, 4, PIPE, 6))
    taker = process(PARENT, call("recv", 0, 2.5, PIPE, 5), call("recv", 2.6, 4.5, PIPE, 6))
    found = match_messages([taker, sender])
    assert sent_and_taken(found) == [(WORKER, 5, PARENT), (WORKER, 6, PARENT)]
    assert [m.taken.ended for m in found] == [0.0025, 0.0045]


def test_the_two_ends_of_a_pipe_of_both_directions_are_tied_together():
    parent = process(
        PARENT,
        call("pipe", 0, 0.1, 1, 2),
        call("send", 1, 2, 1, 5),
        call("recv", 3, 9, 1, 6),
    )
    worker = process(WORKER, call("recv", 0, 4, 2, 5), call("send", 5, 6, 2, 6))
    found = match_messages([parent, worker])
    assert sent_and_taken(found) == [(PARENT, 5, WORKER), (WORKER, 6, PARENT)]


def test_a_message_of_the_feeder_thread_knows_when_it_was_put():
    worker = process(
        WORKER,
        call("put", 1, 2, PIPE),
        call("put", 3, 4, PIPE),
        call("send", 5, 6, PIPE, 5, thread=1, feeder=True),
        call("send", 7, 8, PIPE, 5, thread=1, feeder=True),
    )
    found = match_messages([process(PARENT), worker])
    assert [m.put.began for m in found] == [0.001, 0.003]
    assert all(m.receiver is None and m.lost for m in found)


def test_what_was_sent_at_the_same_time_into_one_channel_has_no_receiver():
    one = process(WORKER, call("send", 1, 2, PIPE, 5), call("send", 3, 6, PIPE, 5))
    other = process(OTHER, call("send", 4, 5, PIPE, 5), call("send", 8, 9, PIPE, 5))
    takes = [call("recv", n, n + 0.9, PIPE, 5) for n in (1.5, 5, 6, 9)]
    found = match_messages([process(PARENT, *takes), one, other])
    assert [m.mixed for m in found] == [False, True, True, True]
    assert [m.receiver and m.receiver[0] for m in found] == [PARENT, None, None, None]


def test_a_receiver_is_never_said_to_have_taken_what_was_not_yet_sent():
    sender = process(WORKER, call("send", 5, 6, PIPE, 5))
    taker = process(PARENT, call("recv", 1, 2, PIPE, 5))  # of somebody who was not traced
    assert sent_and_taken(match_messages([taker, sender])) == [(WORKER, 5, None)]


def test_of_a_channel_that_is_not_known_nothing_is_said():
    sender = process(WORKER, call("send", 1, 2, 0, 5))
    assert match_messages([process(PARENT, call("recv", 1, 3, 0, 5)), sender]) == []


def test_a_receive_that_found_the_end_takes_nothing():
    sender = process(WORKER, call("send", 5, 6, PIPE, 5))
    taker = process(PARENT, call("recv", 1, 2, PIPE, failed=True), call("recv", 3, 7, PIPE, 5))
    (found,) = match_messages([taker, sender])
    assert found.taken.ended == 0.007


def test_where_calls_were_left_out_nothing_after_that_is_matched(monkeypatch):
    monkeypatch.setattr("render.messages.FIRST", 3)
    sends = [call("send", n, n + 0.5, PIPE, n) for n in (1, 2, 8, 9)]
    takes = [call("recv", n, n + 0.7, PIPE, n) for n in (1, 2, 8, 9)]
    sender = process(WORKER, *sends, left_out=5)
    found = match_messages([process(PARENT, *takes), sender])
    assert sent_and_taken(found) == [(WORKER, 1, PARENT), (WORKER, 2, PARENT)]


def test_of_a_queue_it_draws_the_call_the_way_to_the_feeder_and_the_arrow():
    worker = process(
        WORKER, call("put", 1, 2, PIPE), call("send", 3, 4, PIPE, 5, thread=1, feeder=True)
    )
    parent = process(PARENT, call("get", 0, 6, PIPE), call("recv", 0.1, 5, PIPE, 5))
    picture = Picture(recording(parent, worker), 5, 3)
    assert list(picture.labels_of.values()) == ["parent", "worker", "feeder"]
    assert {"bp-hand", "bp-message", "bp-head", "bp-give", "bp-wait"} <= elements(
        picture
    ).keys()
    assert "recv()" not in words(picture), "get() stands for what it did itself"
    story = "5 bytes from worker, put at 0 ms, sent by its feeder thread at 2.00 ms, taken by parent at 4.00 ms"
    assert story in picture.draw()


def test_a_send_of_a_hang_is_drawn_open_to_the_end():
    sends = [process(pid, call("send", 1, None, PIPE, 1_000_000)) for pid in (PARENT, WORKER)]
    hung = recording(*sends, ended="hang", status=None)
    found = elements(Picture(hung, 5, 3))
    assert "bp-never" in found and "bp-message" not in found
    for outline in re.findall(r"M([\d.]+) [\d.]+h([\d.]+)v", found["bp-never"].get("d")):
        assert sum(map(float, outline)) == 1000
    assert "send() never ends" in words(Picture(hung, 5, 3))


def test_a_call_that_only_its_process_ended_is_not_said_never_to_end():
    killed = process(WORKER, call("send", 1, None, PIPE, 5))
    found = elements(Picture(recording(process(PARENT), killed), 5, 3))
    assert "bp-never" not in found and "bp-lost" not in found


def test_an_answer_of_empty_is_marked_where_it_was_given():
    worker = process(
        WORKER, call("put", 3, 4, PIPE), call("send", 5, 6, PIPE, 5, thread=1, feeder=True)
    )
    parent = process(PARENT, call("empty", 1, 2, PIPE, 1))
    picture = Picture(recording(parent, worker), 5, 3)
    assert {"bp-asked", "bp-lost"} <= elements(picture).keys()
    assert {"empty(): True", "0"} <= {*words(picture)}
    assert picture.start == 0.001


def test_of_many_messages_the_first_and_the_last_are_drawn_and_all_are_counted():
    sends = [call("send", n, n + 0.5, PIPE, 5) for n in range(1, 31)]
    takes = [call("recv", n, n + 0.7, PIPE, 5) for n in range(1, 31)]
    picture = Picture(recording(process(PARENT, *takes), process(WORKER, *sends)), 5, 3)
    assert len(elements(picture)["bp-head"]) == 8
    assert "first 5, last 3 of 30 messages" in words(picture)
    assert "22 more" in words(picture)
    assert re.findall(r"Message (\d+):", picture.draw()) == [*"12345", "28", "29", "30"]
    (line,) = re.findall(r"M([\d.]+) ", elements(picture)["bp-gap"].get("d"))
    assert 10 * picture.x(0.0057) < float(line) < 10 * picture.x(0.028)
    for all_or_first in (Picture(picture.recording, 30, 3), Picture(picture.recording, 5, 0)):
        assert "bp-gap" not in elements(all_or_first)


def test_the_feeders_of_many_workers_are_drawn_in_the_lanes_of_their_workers():
    def worker(number):
        put = call("put", number, number + 0.1, PIPE)
        send = call("send", number + 0.2, number + 0.3, PIPE, 5, thread=1, feeder=True)
        return process(WORKER + number, put, send, name=f"Process-{number}")

    workers = [worker(number) for number in range(1, FOLDED + 2)]
    few = Picture(recording(process(PARENT), *workers[:-1]), 5, 3)
    many = Picture(recording(process(PARENT), *workers), 5, 3)
    assert list(few.labels_of.values()).count("feeder") == FOLDED
    assert list(many.labels_of.values())[1:] == [f"worker {n}" for n in range(1, FOLDED + 2)]


def test_a_program_s_own_names_of_its_processes_are_kept():
    send = call("send", 1, 2, PIPE, 5)
    picture = Picture(recording(process(PARENT), process(WORKER, send, name="Chatty")), 5, 3)
    assert list(picture.labels_of.values()) == ["parent", "Chatty"]


def test_a_process_that_is_alone_sends_to_nobody():
    alone = process(PARENT, call("send", 1, 2, PIPE, 5), call("send", 3, 4, PIPE, 5))
    picture = Picture(recording(alone), 5, 3)
    assert len(elements(picture)["bp-lost"]) == 2


def test_the_call_that_took_a_mixture_says_so_where_it_begins():
    one = process(WORKER, call("send", 1, 4, PIPE, 100_009), name="One")
    other = process(OTHER, call("send", 2, 5, PIPE, 100_009), name="Other")
    parent = process(PARENT, call("recv", 2.5, 6, PIPE, 100_009))
    picture = Picture(recording(parent, one, other), 5, 3)
    picture.draw()
    (label,) = (text for text in picture.labels.texts["start"] if "recv(): mixed up" in text)
    assert f'x="{picture.x(0.0025):.1f}%"' in label
    assert len(elements(picture)["bp-lost"]) == 2 and "bp-head" not in elements(picture)


def test_who_reads_bytes_may_take_several_messages_at_once():
    sends = [call("write", n, n + 0.5, PIPE, 10) for n in (1, 2, 3)]
    takes = [call("read", 0, 2.6, PIPE, 20), call("read", 2.7, 3.6, PIPE, 10)]
    found = match_messages([process(PARENT, *takes), process(WORKER, *sends)])
    assert [m.taken.ended for m in found] == [0.0026, 0.0026, 0.0036]


def test_a_message_of_no_bytes_is_taken_by_its_own_call():
    sends = [call("send", n, n + 0.5, PIPE, 0) for n in (1, 2)]
    takes = [call("recv", n, n + 0.7, PIPE, 0) for n in (1, 2)]
    found = match_messages([process(PARENT, *takes), process(WORKER, *sends)])
    assert [m.taken.ended for m in found] == [0.0017, 0.0027]


def test_a_line_of_output_is_marked_at_its_moment():
    send, take = call("send", 1, 2, PIPE, 5), call("recv", 0, 3, PIPE, 5)
    lines = (Line(0.002, "no"), Line(0.0025, "Request 2: no reply"), Line(0.5, "no reply"))
    run = recording(process(PARENT, take), process(WORKER, send), lines=lines)
    assert "bp-output" not in elements(Picture(run, 5, 3))
    picture = Picture(run, 5, 3, "no reply")
    ticks = [one for one in elements(picture)["bp-output"] if one.tag.endswith("rect")]
    assert [float(one.get("x")[:-1]) for one in ticks] == sorted(
        round(picture.x(t), 1) for t in (0.0025, 0.5)
    )
    assert {"output", "no reply"} <= set(words(picture))


def test_a_run_without_messages_has_no_picture():
    assert not Picture(recording(process(PARENT)), 5, 3).chosen
    assert not Picture(recording(), 5, 3).chosen


def test_no_step_is_lost_beside_a_long_pause():
    x = Squeezed([0, 0.0001, 0.0002, 3, 3.0001], 96)
    places = [x(t) for t in (-1, 0, 0.0001, 0.0002, 1, 3, 3.0001, 9)]
    assert places == sorted(places)
    assert places[2] - places[1] > 5 and places[6] - places[5] > 5
    assert (places[0], places[-1]) == (0, 100)


def test_a_label_that_would_lie_on_another_is_left_out():
    labels = Labels(200)
    labels.add(0, 20, "send()")
    labels.add(10, 24, "recv()")
    labels.add(10, 60, "wait()")
    labels.add(99, 20, "join()")
    assert [len(texts) for texts in labels.texts.values()] == [2, 1]


def heights(picture):
    """How high each label of a call stands: (words, y), from left to right."""
    root = ElementTree.fromstring(picture.draw())
    groups = [one for one in root.iter() if one.get("class") == "bp-call"]
    texts = [one for group in groups for one in group if one.tag.endswith("text")]
    texts.sort(key=lambda one: float(one.get("x")[:-1]))
    return [(one.text, float(one.get("y")) - 4.5) for one in texts]


def test_messages_of_one_size_say_it_once():
    def picture(*sizes):
        sends = [call("send", n, n + 0.5, PIPE, size) for n, size in enumerate(sizes, 1)]
        takes = [call("recv", n, n + 0.7, PIPE, size) for n, size in enumerate(sizes, 1)]
        return Picture(recording(process(PARENT, *takes), process(WORKER, *sends)), 5, 3)

    same = words(picture(5, 5, 5))
    assert "each message: 5 B" in same and "5 B" not in same
    different = words(picture(5, 6))
    assert {"5 B", "6 B"} <= set(different) and not any("each" in one for one in different)
    assert "5 B" in words(picture(5))


def test_only_the_messages_of_one_process_are_drawn():
    one = process(WORKER, call("send", 1, 2, PIPE, 5), name="One")
    other = process(OTHER, call("send", 3, 4, PIPE + 1, 6), name="Other")
    takes = call("recv", 0, 2.5, PIPE, 5), call("recv", 2.6, 4.5, PIPE + 1, 6)
    run = recording(process(PARENT, *takes), one, other)
    assert sent_and_taken(Picture(run, 5, 3).chosen) == [
        (WORKER, 5, PARENT),
        (OTHER, 6, PARENT),
    ]
    picture = Picture(run, 5, 3, who="Other")
    assert sent_and_taken(picture.chosen) == [(OTHER, 6, PARENT)]
    assert list(picture.labels_of.values()) == ["parent", "Other"]
    assert "only the messages of Other" in words(picture)
    assert not Picture(run, 5, 3, who="Nobody").chosen


def test_a_process_without_a_message_in_the_picture_is_named_below():
    send, take = call("send", 1, 2, PIPE, 5), call("recv", 0, 3, PIPE, 5)
    some = [process(PARENT, take), process(WORKER, send, name="One")]
    assert not any("none of" in one for one in words(Picture(recording(*some), 5, 3)))
    idle = Picture(recording(*some, process(OTHER, name="Idle")), 5, 3)
    assert "Idle" not in idle.labels_of.values()
    assert "Idle: none of these messages" in words(idle)


def test_the_key_of_waiting_is_as_thick_as_its_bars_and_a_life_is_not():
    send, take = call("send", 1, 2, PIPE, 5), call("recv", 0, 3, PIPE, 5)
    picture = Picture(recording(process(PARENT, take), process(WORKER, send)), 5, 3)
    shapes = {what: shape for shape, _, what in Picture.keys(picture)}
    assert shapes["waits"] == "strip"
    assert float(elements(picture)["bp-life"].get("stroke-width")) < 1.5


def test_labels_stand_where_no_arrow_comes_or_goes():
    send, take = call("send", 1, 2, PIPE, 5), call("recv", 0, 3, PIPE, 5)
    picture = Picture(recording(process(PARENT, take), process(WORKER, send)), 5, 3)
    labels = dict(heights(picture))
    parent, worker = (picture.places[lane] for lane in picture.lanes)
    assert labels["recv()"] < parent < worker < labels["send()"]


def test_of_few_calls_each_has_a_label_where_its_bar_has_room():
    puts = [call("put", n, n + 0.9, PIPE) for n in (1, 2, 3)]
    sends = [call("send", n, n + 0.2, PIPE, 5, thread=1, feeder=True) for n in (4, 5, 6)]
    takes = [call("recv", n + 0.3, n + 0.9, PIPE, 5) for n in (4, 5, 6)]
    run = recording(process(PARENT, *takes), process(WORKER, *puts, *sends))
    found = [y for text, y in heights(Picture(run, 5, 3)) if text == "put()"]
    assert len(found) == 3
