"""Blinded listening tests.

What is asked (kinds, texts), of which clips (options, selection, design) and by whom (sheets); the clips (clips, anchors,
render); the package (bundle, package, analysis_plan, webmushra, page); what comes back (results, server, reading), and what it
says (analysis_run, merging).
"""
