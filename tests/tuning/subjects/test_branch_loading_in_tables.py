"""The table of a report shows branch loading where a case limits branches."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from rllib_grid import make_case
from tuning.judging import evaluation
from tuning.judging.evaluation import Judge
from tuning.subjects import states_report


def printed(content):
    text = io.StringIO()
    states_report.print_report(content, Console(file=text, highlight=False))
    return text.getvalue()


def test_the_table_has_the_rows_where_the_report_has_the_figures(made_report):
    limit_kva = np.full(12, 5_000.0)
    limit_kva[0] = 130.0
    case = make_case("ieee13", branch_limit_kva=limit_kva)
    zero = Judge(case, *evaluation.test_states(case, 30)).zero_action().entry()
    content = made_report()
    assert "overloaded" not in printed(content)
    lines = [line.split() for line in printed({**content, "zero_action": zero}).splitlines()]
    shown = {" ".join(words[:3]): words[-1] for words in lines if len(words) > 3}
    assert shown["branch overloaded, %"] == f"{100 * zero['branch_overload_rate']:.2f}"
    assert shown["highest loading, %"] == f"{100 * zero['branch_loading_max']:.1f}"
