"""The colours: one dark and one light theme. Everything else asks for them by name."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="tuitrain-dark",
    primary="#61afef",
    secondary="#56b6c2",
    accent="#c678dd",
    warning="#e5c07b",
    error="#e06c75",
    success="#98c379",
    foreground="#abb2bf",
    background="#14161b",
    surface="#1a1d23",
    panel="#20242c",
    dark=True,
    variables={
        "chart-loss": "#61afef",
        "chart-norm": "#98c379",
        "chart-rate": "#c678dd",
        "chart-train": "#61afef",
        "chart-validation": "#e06c75",
        "chart-ema": "#98c379",
        "chart-swa": "#d19a66",
        "chart-ensemble": "#56b6c2",
        "chart-tta": "#c678dd",
        "chart-mc": "#d6dae2",
        "chart-racer-0": "#ffffff",
        "chart-racer-7": "#d19a66",
        "footer-key-foreground": "#e5c07b",
        "block-cursor-text-style": "none",
    },
)

LIGHT = Theme(
    name="tuitrain-light",
    primary="#1f6fb5",
    secondary="#12727d",
    accent="#8a3fa0",
    warning="#9a6700",
    error="#b3363e",
    success="#3f7d20",
    foreground="#383a42",
    background="#fafafa",
    surface="#f0f0f1",
    panel="#e5e5e6",
    dark=False,
    variables={
        "chart-loss": "#1f6fb5",
        "chart-norm": "#3f7d20",
        "chart-rate": "#8a3fa0",
        "chart-train": "#1f6fb5",
        "chart-validation": "#b3363e",
        "chart-ema": "#3f7d20",
        "chart-swa": "#a05a1c",
        "chart-ensemble": "#12727d",
        "chart-tta": "#8a3fa0",
        "chart-mc": "#22252b",
        "chart-racer-0": "#000000",
        "chart-racer-7": "#a0522d",
    },
)
