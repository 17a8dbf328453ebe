{smcl}
{* *! version 0.1.0}{...}
{vieweralsosee "[D] import" "help import"}{...}
{viewerjumpto "Syntax" "annotune##syntax"}{...}
{viewerjumpto "Description" "annotune##description"}{...}
{viewerjumpto "Options" "annotune##options"}{...}
{viewerjumpto "Where annotune is" "annotune##where"}{...}
{viewerjumpto "Examples" "annotune##examples"}{...}
{viewerjumpto "Stored results" "annotune##results"}{...}
{title:Title}

{phang}
{bf:annotune} {hline 2} From a codebook to a regression table: code texts with a small open language model


{marker syntax}{...}
{title:Syntax}

{pstd}
Run a study, from the files that it names to the results

{p 8 16 2}
{cmd:annotune run} {it:study.yaml}

{pstd}
Code a string variable with a tuned model

{p 8 16 2}
{cmd:annotune classify} {it:strvar} {ifin}{cmd:,} {opt m:odel(folder)} [{it:options}]

{pstd}
Any other verb of annotune, written as on the command line

{p 8 16 2}
{cmd:annotune} {it:verb} [{it:words}]

{synoptset 22 tabbed}{...}
{synopthdr}
{synoptline}
{p2coldent:* {opt m:odel(folder)}}the folder of a tuned model{p_end}
{synopt:{opt gen:erate(name)}}the name of the new variable; by default the model's{p_end}
{synopt:{opt prec:ision(word)}}{cmd:float32}, or {cmd:bfloat16} for speed{p_end}
{synopt:{opt dev:ice(word)}}{cmd:auto}, {cmd:cpu}, {cmd:cuda} or {cmd:mps}{p_end}
{synoptline}
{p 4 6 2}* {opt model()} is required.{p_end}


{marker description}{...}
{title:Description}

{pstd}
{cmd:annotune} calls annotune's command line. {cmd:annotune run} tunes a model on texts that people coded, says how far it
agrees with them, codes the corpus, and writes {cmd:.dta} files with value labels and a do-file to start from.

{pstd}
{cmd:annotune classify} codes the texts in a string variable (also {cmd:strL}) and adds the results to the data in memory:
the label, with value labels and, where there is none, an extended missing value that says why; {it:name}{cmd:_prob}, the
probability of that label; {it:name}{cmd:_status}; and {it:name}{cmd:_p_}{it:label}, the probability of each. Of a variable with
several labels per text there is a 0/1 variable for each label. Rows stay in their order. Nothing leaves the machine.

{pstd}
A regression on machine labels alone takes them for the truth. {cmd:annotune correct} carries the model's error into estimates and
standard errors, and its do-file continues in Stata.


{marker options}{...}
{title:Options}

{phang}
{opt model(folder)} is the folder that {cmd:annotune tune} or a study wrote.

{phang}
{opt generate(name)} names the new variables {it:name}, {it:name}{cmd:_prob}, ...

{phang}
{opt precision(word)} and {opt device(word)} are those of the command line.


{marker where}{...}
{title:Where annotune is}

{pstd}
Install annotune into a Python environment, and tell Stata where its program is, unless the system finds it by itself, for
instance in {cmd:profile.do}:

{phang2}{cmd:. global ANNOTUNE "/home/anna/annotune/bin/annotune"}{p_end}


{marker examples}{...}
{title:Examples}

{phang2}{cmd:. annotune run study.yaml}{p_end}
{phang2}{cmd:. use results.dta, clear}{p_end}

{phang2}{cmd:. use questions.dta, clear}{p_end}
{phang2}{cmd:. annotune classify question if year >= 2000, model(annotune-work/topic/model) generate(topic)}{p_end}
{phang2}{cmd:. tabulate topic, missing}{p_end}

{phang2}{cmd:. annotune correct results.parquet "topic == 'Health' ~ party" --pi 0.1 --write effect.do}{p_end}


{marker results}{...}
{title:Stored results}

{pstd}
{cmd:annotune classify} stores {cmd:r(N)}, the number of texts, and {cmd:r(varlist)}, the new variables.
