"""foldctx as a model of EleutherAI's lm-evaluation-harness (extra `foldctx[lm-eval]`).

The harness finds models by their names in its own table and has no plugins, so its command is run as
`python -m foldctx_pipelines.harness`, with the harness's own arguments. In a program, import
`foldctx_pipelines.harness.model` before `lm_eval.simple_evaluate(model="foldctx", ...)`.
"""
