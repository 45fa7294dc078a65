"""Makes the folder of a registered model: the table, the code that serves it, its signature and its requirements."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path

from nercc_tune.export.attachments import attached_files
from nercc_tune.export.table import TunedTable
from nercc_tune.serving import ServedTable
from nercc_tune.tracking.deployment.deployed import DeployedCode
from nercc_tune.tracking.silent import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    ModelSignature,
    ParamSchema,
    ParamSpec,
    Schema,
    save_model,
)

_CODE = Path(__file__).with_name("coded_model.py")
_REQUIRED = ("nercc-tune", "torch", "numpy")
_NOT_OURS = ("uv.lock", "pyproject.toml", ".python-version")
"""MLflow adds these of the project that it happens to be called in."""


def save_coded_model(served: ServedTable, code: DeployedCode, folder: Path) -> Path:
    """Write a model into a new sub-folder, `model`, and return that.

    Args:
        served: The table that the model carries, with what it needs beside it.
        code: Which of its codes the model serves.
        folder: An existing folder.
    """
    table, source = served.table, folder / "table.json"
    source.write_text(table.to_json(), encoding="utf-8")
    artifacts = {"table": str(source)}
    for path, content in attached_files(table, served.attachments, beside=source).items():
        path.write_bytes(content)
        artifacts[path.name] = str(path)  # beside the table, where `load_table` looks for it
    path = folder / "model"
    with warnings.catch_warnings():
        # MLflow asks for an example, which for a group of images would be megabytes of JSON.
        warnings.filterwarnings("ignore", message="(?s).*input example", category=UserWarning)
        save_model(
            path=str(path),
            python_model=str(_CODE),
            artifacts=artifacts,
            model_config={"serves": code.serves} | ({} if code.stragglers is None else {"stragglers": code.stragglers}),
            signature=coded_signature(),
            pip_requirements=requirements(),
            metadata={"shapes": _shapes(table, code), "table_digest": code.table_digest},
        )
    for name in _NOT_OURS:
        (path / name).unlink(missing_ok=True)
    return path


def coded_signature() -> ModelSignature:
    """Return the signature: `queries`, and to decode `answers` and `arrived`; the parameter `return_suspects`.

    MLflow's tensors cannot be optional, and an empty one is lost in JSON, so that encoding would need made-up answers;
    columns can be. Arrays pass through columns of any type as they are. Their shapes, which columns do not have, are
    checked by the model and written into its metadata.
    """
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    inputs = Schema(
        [
            ColSpec(anything, name="queries"),
            ColSpec(anything, name="answers", required=False),
            ColSpec(Array(DataType.long), name="arrived", required=False),
        ]
    )
    params = ParamSchema([ParamSpec("return_suspects", DataType.boolean, default=False)])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec(anything)]), params=params)


def requirements() -> list[str]:
    """Return the packages that the numbers depend on, at the versions of this process."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIRED]


def _shapes(table: TunedTable, code: DeployedCode) -> dict[str, str]:
    query = ", ".join(map(str, table.workload.query_shape))
    return {
        "queries": f"float32 [{code.queries}, {query}]",
        "answers": f"float32 [F, {table.workload.outputs}]",
        "arrived": "int64 [F]",
        "encoded": f"float32 [{code.workers}, {query}]",
        "decoded": f"float32 [{code.queries}, {table.workload.outputs}]",
    }
