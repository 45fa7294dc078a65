from __future__ import annotations

import math
from dataclasses import replace

from nercc_tune.export.frame import table_frame
from tests.builders import tuned_table
from tests.variants import random_table


def test_the_frame_has_a_row_for_each_straggler_count() -> None:
    assert table_frame(tuned_table())["stragglers"].tolist() == [20, 40, 80, 120]


def test_the_frame_holds_the_figures_themselves() -> None:
    table = tuned_table()
    row, entry, policy = table_frame(table).iloc[2], table.entries[2], table.policy
    assert row["lambda_enc"] == entry.lambda_enc
    assert row["lambda_dec"] == entry.lambda_dec
    assert row["df_enc"] == entry.df_enc
    assert row["heldout_mse_low"] == entry.heldout.mse.low
    assert row["tuning_mse_p95"] == entry.tuning.mse_p95
    assert row["mse_minus_bacc_high"] == entry.mse_minus["bacc"].high
    assert row["policy_lambda_enc"] == policy.lambda_enc
    assert row["policy_lambda_dec"] == policy.entries[2].lambda_dec
    assert row["policy_agreement"] == policy.entries[2].heldout.agreement.mean
    assert (row["domain_low"], row["domain_high"]) == entry.domain
    for name, heldout in entry.baselines.items():
        assert row[f"{name}_mse"] == heldout.mse.mean


def test_undefined_figures_are_nan_in_columns_of_numbers() -> None:
    frame = table_frame(tuned_table(has_labels=False))
    assert frame["heldout_rel_acc"].dtype == "float64"
    assert frame["heldout_rel_acc"].isna().all()


def test_a_straggler_count_without_policy_is_nan() -> None:
    table = tuned_table()
    table = replace(table, policy=replace(table.policy, entries=table.policy.entries[1:]))
    frame = table_frame(table)
    assert math.isnan(frame["policy_lambda_dec"][0])
    assert frame["policy_lambda_dec"][1] == table.policy.entries[0].lambda_dec


def test_the_frame_tells_designs_counts_and_what_is_expected_over_them() -> None:
    table = random_table()
    frame = table_frame(table)
    assert frame["fewest"].tolist() == [0, 21, 41, 81]
    assert frame["ordering"].tolist() == ["nearest-neighbour", "nearest-neighbour", "arrival", "arrival"]
    assert frame["rack"].isna().tolist() == [True, False, True, True]
    assert frame["waiting"].tolist() == [entry.waiting for entry in table.entries]
    assert frame["frozen_mse"][1] == table.entries[1].baselines["frozen"].mse.mean
    assert frame["gain_over_frozen_low"][1] == table.entries[1].gains["frozen"].low
    assert frame["policy_all_prob_mse"].tolist() == [table.policy.heldout.prob_mse.mean] * 4
    assert frame["single_all_mse_high"][0] == table.policy.single.heldout.mse.high
    assert frame["policy_minus_single"][3] == table.policy.minus_single.mean


def test_what_a_study_has_not_is_nan() -> None:
    frame = table_frame(tuned_table())
    assert frame["waiting"].isna().all()
    assert frame["rack"].isna().all()
