"""A plan as an ONNX graph of one step. Each operation is drawn here as `generation/fast/numpy_way.py` defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Floats

OPSET, IR = 17, 8
"""The versions of ONNX that the graph is written in: old enough for what runs graphs today, in browsers too."""
NEXT = "next."
"""What the name of an output begins with that is the new value of a state."""
EPSILON = {"layer": np.float32(1e-5), "rms": np.finfo(np.float32).eps}


def step_graph(plan: Plan, facts: Mapping[str, str]) -> Any:
    """The `onnx.ModelProto` of a plan, for any number N of texts side by side.

    Inputs: `ids` `[N]`, int64, and each state `[N, width]`, float32, which begins as zeros. Outputs: `logits` `[N, V]`
    of the next character, and `next.` with its name for each state. `facts` become the metadata.
    """
    from onnx import TensorProto, helper

    plan = from_zeros(plan)
    drawing = Drawing()
    values = {name: name for name in plan.state}  # what each register holds at this moment
    for op in plan.ops:
        draw(op, values, drawing)
    widths = {name: parts * width for name, (parts, width) in plan.widths.items()}
    outputs = {"logits": "logits", **{name: NEXT + name for name in plan.state}}
    for register, output in outputs.items():
        drawing.nodes.append(helper.make_node("Identity", [values[register]], [output]))

    def floats(name: str, register: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", widths[register]])

    graph = helper.make_graph(
        drawing.nodes,
        "charrnn_step",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["N"]), *(floats(name, name) for name in plan.state)],
        [floats(output, register) for register, output in outputs.items()],
        drawing.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="charrnn")
    model.ir_version = IR
    helper.set_model_props(model, dict(facts))
    return model


def from_zeros(plan: Plan) -> Plan:
    """The same plan with a window that begins as zeros, as every other state does, and not as boundaries.

    The window then holds how far each embedding is from the boundary's. The first layer adds what that leaves out.
    """
    if plan.window is None:
        return plan
    register, context = plan.window
    ops = list(plan.ops)
    for i, op in enumerate(ops):
        if op.kind == "slide" and op.weight is not None:
            boundary = op.weight[-1]
            ops[i] = replace(op, weight=op.weight - boundary)
        elif op.of == register and op.weight is not None:
            ops[i] = replace(op, bias=op.bias + op.weight @ np.tile(boundary, context))
    return replace(plan, ops=ops)


class Drawing:
    """The nodes and the weights of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node, and gives the name of its one output."""
        return self.parts(1, kind, *inputs, **attributes)[0]

    def parts(self, count: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """Adds a node, and gives the names of its outputs."""
        from onnx import helper

        names = [f"{kind.lower()}.{len(self.nodes)}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def weight(self, name: str, value: Any) -> str:
        """Adds an array that the graph holds, and gives its name."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def draw(op: Op, values: dict[str, str], g: Drawing) -> None:
    """Draws one operation. Nodes change nothing, so that a register that changes gets a new value."""
    v, into, name = values, op.into, f"{op.into}.{op.kind}"
    match op.kind:
        case "embed":
            v[into] = g("Gather", g.weight(name, op.weight), "ids")
        case "slide":
            table: Floats = op.weight  # type: ignore[assignment]
            one = [("from", table.shape[1]), ("to", np.iinfo(np.int64).max), ("axis", 1)]
            ends = [g.weight(f"{name}.{end}", np.array([value], np.int64)) for end, value in one]
            v[into] = g("Concat", g("Slice", v[into], *ends), g("Gather", g.weight(name, table), "ids"), axis=1)
        case "matrix":
            bias = [] if op.bias is None else [g.weight(f"{name}.bias", op.bias)]
            v[into] = g("Gemm", v[op.of], g.weight(name, op.weight), *bias, transB=1)
        case "more":
            v[into] = g("Gemm", v[op.of], g.weight(name, op.weight), v[into], transB=1)
        case "add":
            v[into] = g("Add", v[into], v[op.of])
        case "copy":
            v[into] = v[op.of]
        case "relu":
            v[into] = g("Relu", v[into])
        case "tanh":
            v[into] = g("Tanh", v[into])
        case "lstm":
            i, f, c, o = g.parts(4, "Split", v[op.of], axis=1)
            kept, new = g("Mul", g("Sigmoid", f), v[op.also]), g("Mul", g("Sigmoid", i), g("Tanh", c))
            v[op.also] = g("Add", kept, new)
            v[into] = g("Mul", g("Sigmoid", o), g("Tanh", v[op.also]))
        case "gru":
            x_r, x_z, x_n = g.parts(3, "Split", v[op.of], axis=1)
            h_r, h_z, h_n = g.parts(3, "Split", v[op.also], axis=1)
            r, z = g("Sigmoid", g("Add", x_r, h_r)), g("Sigmoid", g("Add", x_z, h_z))
            n = g("Tanh", g("Add", x_n, g("Mul", r, h_n)))
            v[into] = g("Add", n, g("Mul", z, g("Sub", v[into], n)))
        case "mingru":
            new, out, f = g.parts(3, "Split", v[op.of], axis=1)
            v[op.also] = g("Add", new, g("Mul", g("Sigmoid", f), g("Sub", v[op.also], new)))
            v[into] = g("Mul", v[op.also], g("Mul", out, g("Sigmoid", out)))
        case "minlstm":
            new, out, f, i = g.parts(4, "Split", v[op.of], axis=1)
            f, i = g("Sigmoid", f), g("Sigmoid", i)
            v[op.also] = g("Div", g("Add", g("Mul", f, v[op.also]), g("Mul", i, new)), g("Add", f, i))
            v[into] = g("Mul", v[op.also], g("Mul", out, g("Sigmoid", out)))
        case "layer" | "rms":
            x = v[op.of]
            if op.kind == "layer":
                x = g("Sub", x, g("ReduceMean", x, axes=[1]))
            square = g("ReduceMean", g("Mul", x, x), axes=[1])
            root = g("Sqrt", g("Add", square, g.weight(f"{name}.epsilon", np.asarray(EPSILON[op.kind]))))
            v[into] = g("Mul", g("Div", x, root), g.weight(name, op.weight))
            if op.bias is not None:
                v[into] = g("Add", v[into], g.weight(f"{name}.bias", op.bias))
        case other:
            raise AssertionError(f"{other}: no such operation")
