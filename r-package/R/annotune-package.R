#' annotune: from a codebook to a regression table
#'
#' Small open language models, tuned on hand-coded texts, code the rest of a corpus: the way from a codebook to a
#' regression table.
#'
#' First:
#'
#' 1. `at_install()`, once: sets up the Python that does the work ([at_status()] looks at it);
#' 2. `at_run(at_demo("demo")$study)`: everything on simulated data, in some minutes;
#' 3. `at_run("study.yaml")`: your own study, from one file ([at_run()]), or step by step as below;
#' 4. `help(package = "annotune")` lists all verbs, and `?at_tune` is help on one;
#' 5. `vignette("annotune")` shows a study from its texts to its tables.
#'
#' Step by step:
#'
#' 1. read what there is: [at_codebook()], [at_corpus()], [at_codings()];
#' 2. do the coders agree? [at_reliability()], and one answer per text: [at_resolve()];
#' 3. a model from the coded texts: [at_tune()], measured on texts that it was not tuned on;
#' 4. code the corpus: [at_classify()] or [predict()][predict.at_model], and put the codes beside the covariates:
#'    [at_attach()];
#' 5. hand over: [at_write()] for Stata, SPSS, R and spreadsheets.
#'
#' [at_run()] does all of it from one file, and [at_demo()] makes data to try it on. The work is done by the Python
#' package annotune, which [at_install()] sets up once and [at_status()] looks at. Python starts with the first verb
#' that needs it, not with `library(annotune)`.
#'
#' @section Errors and warnings:
#' What goes wrong is one sentence on what is wrong and one on what to do, of class `annotune_error`; warnings are
#' counted, and of class `annotune_warning`. What only annotune's makers can mend is of class `annotune_fault`: a report
#' in which there are no texts and no labels is in the working directory, to be sent to them.
#'
#' @section Options:
#' `annotune.progress`: whether progress is shown; by default where the session is interactive.
#'
#' @keywords internal
#' @importFrom generics augment glance tidy
#' @importFrom rlang %||%
#' @importFrom stats predict
"_PACKAGE"

#' @export
generics::tidy
#' @export
generics::glance
#' @export
generics::augment
