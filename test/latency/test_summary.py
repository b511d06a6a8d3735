"""Summaries of recordings whose answer is known."""

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from latency_samples import row, steady
import pytest

from enet_ros.errors import InputError
from enet_ros.latency import stamp_checks
from enet_ros.latency.files import compare, comparison_text, read_summary
from enet_ros.latency.histogram import percentile_distribution, write_histograms
from enet_ros.latency.summary import all_delays, summarise
from enet_ros.latency.window import LatencyWindow


def test_a_camera_that_never_falters() -> None:
    """Nothing missing, nothing dropped, corrected and uncorrected the same."""
    summary = summarise(steady(700))
    assert (summary['frames_in'], summary['frames_segmented'], summary['frames_missing']) == (700, 700, 0)
    assert summary['latency_ms']['p50'] == summary['latency_corrected_ms']['p99'] == 20.0
    assert summary['rate_hz'] == pytest.approx(10.0) and summary['camera_rate_hz'] == pytest.approx(10.0)
    assert summary['jitter_ms'] == 0 and summary['drop_share'] == 0 and summary['clock'] == {}
    stages = {name: block['p50'] for name, block in summary['stages_ms'].items()}
    assert stages == {'arrived': 1, 'waited': 2, 'decoded': 1, 'preprocessed': 1, 'inferred': 10,
                      'postprocessed': 1, 'published': 1, 'delivered': 3}


def test_a_stall_shows_in_the_corrected_numbers_only() -> None:
    """A second in which nine frames are dropped: uncorrected percentiles do not see it."""
    rows = steady(700)
    for index in range(100, 109):
        rows[index] = row(index, index * 100.0, outcome='superseded')
    summary = summarise(rows)
    assert summary['dropped_by']['superseded'] == summary['frames_dropped'] == 9
    assert summary['frames_in'] == summary['frames_segmented'] + summary['frames_dropped']
    assert summary['latency_ms']['max'] == 20.0
    assert summary['latency_corrected_ms']['max'] == pytest.approx(920.0)
    assert summary['latency_corrected_ms']['p99'] == pytest.approx(220.0)
    assert summary['latency_corrected_ms']['count'] == 700


def test_frames_lost_on_the_way_are_counted_exactly() -> None:
    """500 frames that never reached the node, scattered and in runs, are 500."""
    lost = set(range(10, 410, 2)) | set(range(500, 800))
    kept = [index for index in range(1200) if index not in lost]
    rows = [row(sequence, index * 100.0, 20) for sequence, index in enumerate(kept)]
    summary = summarise(rows, longest_gap=60)
    assert summary['frames_missing'] == 500 and summary['drop_share'] == pytest.approx(500 / 1200)
    assert summary['latency_corrected_ms']['count'] == 1200


def test_a_lost_timing_is_no_lost_frame() -> None:
    """The numbering tells that the node had the frame: counted as unknown, not as missing."""
    rows = [made for made in steady(100) if made.timing.sequence not in (40, 41)]
    summary = summarise(rows)
    assert summary['timings_lost'] == 2 and summary['frames_missing'] == 0
    assert any('2 timing messages' in note for note in summary['notes'])


def test_clock_trouble_never_enters_the_numbers() -> None:
    """Rows with unbelievable stamps are counted apart, with advice, whatever their delay says."""
    rows = steady(100)
    rows[50] = row(50, 5000.0, 99999, stamp_checks.STALE)
    rows[60] = row(60, 6000.0, -5, stamp_checks.NEGATIVE_AGE)
    summary = summarise(rows)
    assert summary['clock'] == {'stale': 1, 'negative_age': 1}
    assert summary['latency_ms']['count'] == 98 and summary['latency_ms']['max'] == 20.0
    assert summary['latency_corrected_ms']['max'] == 20.0
    assert sum('left out' in note for note in summary['notes']) == 2


def test_frames_sent_twice_hide_no_loss() -> None:
    """Repeats are left out, and the frames missing between are found all the same."""
    kept = [index for index in range(100) if index % 10 != 5]
    rows = [row(2 * number + again, index * 100.0, 20, stamp_checks.REPEATED if again else stamp_checks.OK)
            for number, index in enumerate(kept) for again in (0, 1)]
    summary = summarise(rows)
    assert summary['clock'] == {'repeated': 90} and summary['frames_missing'] == 10
    assert summary['latency_ms']['count'] == 90


def test_a_bag_that_loops() -> None:
    """Each round is a schedule of its own: the jump back is neither a gap nor a delay."""
    rows = [row(index, (index % 100) * 100.0, 20,
                stamp_checks.BACKWARD if index in (100, 200) else stamp_checks.OK)
            for index in range(300)]
    summary = summarise(rows)
    assert summary['clock'] == {'backward': 2} and summary['frames_missing'] == 0
    assert summary['rate_hz'] == pytest.approx(10.0) and summary['latency_ms']['max'] == 20.0


def test_cameras_are_measured_apart() -> None:
    """Two rates, two schedules; the whole is their sum."""
    rows = steady(100) + [row(index, index * 50.0, 30, camera='rear') for index in range(200)]
    summary = summarise(rows)
    assert summary['frames_missing'] == 0 and summary['rate_hz'] == pytest.approx(30.0)
    assert summary['cameras']['rear']['latency_ms']['p50'] == 30
    assert summary['cameras']['front']['frames_in'] == 100


def test_rows_out_of_order_are_sorted() -> None:
    """A row that came late changes nothing."""
    rows = steady(100)
    assert summarise(rows[:50] + rows[51:60] + [rows[50]] + rows[60:]) == summarise(rows)


def test_nothing_recorded() -> None:
    """No frame at all is a summary too."""
    summary = summarise([])
    assert summary['frames_in'] == 0 and summary['latency_ms']['p50'] is None
    assert summary['drop_share'] is None


def test_window_forgets() -> None:
    """Only the last seconds count, and what they say is what their rows say."""
    window = LatencyWindow(seconds=10)
    for index, made in enumerate(steady(50, delay_ms=500) + steady(101, delay_ms=20)):
        window.add(made, index * 10**8)
    window.add(row(0, 0, outcome='superseded'), 151 * 10**8)
    told = window.describe(151 * 10**8)
    assert told['latency_ms']['max'] == 20.0 and told['latency_ms']['count'] == 100
    assert told['frames'] == 101 and told['drop_share'] == pytest.approx(1 / 101)
    assert told['rate_hz'] == pytest.approx(10.0) and told['queue_wait_ms']['p50'] == 2.0


def test_histogram_file_is_read_by_the_library(tmp_path) -> None:
    """The log holds both kinds of delay, by name, to three digits."""
    rows = steady(700)
    rows[100:109] = [row(index, index * 100.0, outcome='superseded') for index in range(100, 109)]
    path = write_histograms(tmp_path / 'latency.csv', all_delays(rows), (1.7e9, 1.7e9 + 70))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3600 * 10**6, 3))
    first, second = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
    assert (first.get_tag(), first.get_total_count()) == ('uncorrected', 691)
    assert (second.get_tag(), second.get_total_count()) == ('corrected', 700)
    assert first.get_max_value() == pytest.approx(20e3, rel=1e-3)
    assert second.get_max_value() == pytest.approx(920e3, rel=1e-3)


def test_own_distribution_is_the_librarys() -> None:
    """Without the library the text form is written by hand: it says what the library's counts say."""
    histogram = HdrHistogram(1, 10**6, 3)
    delays = [float(1 + index * index % 997) for index in range(1000)]
    for value in delays:
        histogram.record_value(int(value))
    lines = [line.split() for line in percentile_distribution(delays).splitlines()[2:] if line[0] == ' ']
    assert len(lines) > 20 and lines[-1][1] == '1.000000000000'
    for value, level, count, *_ in lines:
        assert int(count) == histogram.get_count_at_value(int(float(value))) + sum(
            histogram.get_count_at_value(below) for below in range(1, int(float(value))))
        assert int(count) >= float(level) * len(delays) > sum(delay < float(value) for delay in delays) - 1e-6


def test_side_by_side() -> None:
    """Every figure of both, and the change."""
    slow = summarise(steady(700, delay_ms=30))
    rows = dict(compare([summarise(steady(700)), slow]))
    assert rows['latency_ms p99'] == [20.0, 30.0] and rows['inferred p50, ms'] == [10.0, 10.0]
    text = comparison_text(['a.json', 'b.json'], compare([summarise(steady(700)), slow]))
    assert '+50.0 %' in text and 'a.json' in text


@pytest.mark.parametrize('content', ['', '[1]', '{}', '{"latency_ms": 3}', '\x00', '[' * 100000])
def test_foreign_summaries_are_refused(tmp_path, content) -> None:
    """One line that names the file."""
    (tmp_path / 'other.json').write_text(content)
    with pytest.raises(InputError, match='other.json'):
        read_summary(tmp_path / 'other.json')
