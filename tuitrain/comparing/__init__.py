"""Many runs: what is compared, who launches it, on which machine, and what it comes to.

A comparison is a folder (`folder`): its plan, and a journal of what became of each member. The scheduler is a process
of its own (`scheduler`, `worker`) that launches members through an executor (`executor`, and one file for each); what
is launched comes from a supply: a fixed list, or a search that thinks of the next trial. Screens only read
(`reading`), and the verdict is a fold of what was read (`tuitrain.board`).

Beside them `ensembling` asks what several runs are together, and `report` tells a comparison to people who were not
there. Torch is imported inside functions only.
"""
