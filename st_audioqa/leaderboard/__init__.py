"""Submissions and the leaderboard made of them.

A submission is an archive with `predictions.jsonl` and `submission.json` (`submission`,
`archive`). `board` scores a folder of them, one by one and without trusting any; `site` writes
the tables and a page, `eval_results` what the Hub shows beside a model.
"""
