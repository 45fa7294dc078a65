"""The code of a registered model (MLflow's "models from code"): a copy of this file travels with every version.

It runs wherever the model is loaded, beside whatever version of nercc_tune is installed there, so it uses only what is
public. It takes MLflow as it finds it: the process is the loader's own, whose settings `tracking.silent` would change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

import nercc_tune


class CodedModel(PythonModel):
    """A tuned code behind MLflow's `predict`: it encodes, or decodes what arrived.

    The input is one group, as named arrays or, over REST, as nested lists:

    - `queries` [K, …]: encoded into what the workers get, [N, …];
    - `answers` [F, c] and `arrived` [F] beside them: the answers of the workers that arrived, which are decoded into
      the estimates [K, c]. `queries` are then the same as when they were encoded, whose order and nodes a code may be
      fitted to.

    An answer that holds a NaN or an infinity counts as not arrived, and a warning names its worker. With the parameter
    `return_suspects` there is no warning, and the output is `estimates` [K, c] and `suspects`: the numbers of the
    workers whose answers held one, or were distrusted by what the others say.

    Arrays keep their dtype; lists become float32. With `decode_space` "logits" the answers are logits, as for
    `nercc_tune.load_table`, which gives the same numbers; of a model that gives probabilities (`output_kind` of the
    table's workload) they are the outputs as they are, or their logarithms in place of logits. A decoder that was given
    no answers fails: it never encodes.

    Example:
        ```python
        code = mlflow.pyfunc.load_model("models:/NAME@champion")
        coded = code.predict({"queries": queries})
        received = {"queries": queries, "answers": answers, "arrived": arrived}
        estimates = code.predict(received)
        decoded = code.predict(received, params={"return_suspects": True})
        suspicions.record(arrived, decoded["suspects"])  # a `nercc_tune.Suspicions`
        ```
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the table; `stragglers` of the model's configuration picks a count's code, else it is the policy.

        Raises:
            TableError: If the table was changed or cut, or needs another version of nercc_tune.
        """
        served = nercc_tune.load_table(context.artifacts["table"])
        stragglers = (context.model_config or {}).get("stragglers")
        self._code = served.policy() if stragglers is None else served.code(stragglers=stragglers)
        self._query_shape = served.table.workload.query_shape
        self._outputs = served.table.workload.outputs

    def predict(
        self,
        context: PythonModelContext | None,  # noqa: ARG002 - MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Encode a group, or decode what arrived of it.

        Args:
            context: Unused.
            model_input: One row, into which MLflow turns a dictionary of arrays.
            params: `return_suspects`, whether to say whose answers were left out.

        Raises:
            ValueError: If there is not one group, an array has another shape, queries are not finite, no answer is,
                only one of `answers` and `arrived` is there, or a worker is named twice or not one of 0 … N − 1; or if
                there are no answers to suspect.
            TableError: If fewer workers arrived than the code was tuned for.
        """
        if len(model_input) != 1:
            raise ValueError(f"the input must be one group, but got {len(model_input)} rows; call once for each group.")
        given = {str(name): value for name, value in model_input.iloc[0].items() if value is not None}
        if ("answers" in given) != ("arrived" in given):
            raise ValueError("`answers` and `arrived` must be given together, to decode; leave both out to encode.")
        queries = _tensor("queries", given.get("queries"), (self._code.queries, *self._query_shape))
        if not bool(queries.isfinite().all()):
            raise ValueError("`queries` must be finite, but got NaN or an infinity.")
        group = self._code.on(queries)
        is_suspecting = bool((params or {}).get("return_suspects", False))
        if "answers" not in given:
            if is_suspecting:
                raise ValueError("`return_suspects` must come with `answers` and `arrived`, but there are none.")
            return group.encode(queries).numpy()
        arrived = _numbers(given["arrived"])
        answers = _tensor("answers", given["answers"], (len(arrived), self._outputs))
        if not is_suspecting:
            return group.decode(answers, arrived).numpy()
        estimates, suspects = group.decode(answers, arrived, return_suspects=True)
        return {"estimates": estimates.numpy(), "suspects": np.array(suspects, dtype=np.int64)}


def _tensor(name: str, value: object, shape: tuple[int, ...]) -> torch.Tensor:
    try:
        array = np.array(value, dtype=None if isinstance(value, np.ndarray) else np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be numbers of shape {shape}, but they make no array.") from error
    if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"`{name}` must be floating point of shape {shape}, but got {array.dtype} of shape {array.shape}."
        )
    return torch.from_numpy(array)


def _numbers(value: object) -> torch.Tensor:
    array = np.array(value)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`arrived` must be the numbers of the workers that arrived, at least one, "
            f"but got {array.dtype} of shape {array.shape}."
        )
    return torch.from_numpy(array.astype(np.int64))


set_model(CodedModel())
