#' A report on one page
#'
#' Agreement of the coders, the model against its baselines, labels and their confusions, calibration, error by
#' subgroup, learning curve, comparison, corrected regressions, a methods paragraph with its references, and the record:
#' one page that fetches nothing, or its tables for a paper. A section is there when what it needs was given; the page
#' ends with what is not there, and how it would be. No text of the corpus is printed.
#'
#' @param path Where to: `.html` for the page, `.docx` or `.tex` for its tables.
#' @param model A model from [at_tune()], its folder, what [at_evaluate()] gave, or a list of such.
#' @param codings What several people coded.
#' @param reliability What [at_reliability()] gave, in place of computing it from `codings`.
#' @param codebook An [at_codebook()]: the labels there are.
#' @param gold One answer per text; by default what the model kept of it.
#' @param coded What the models said of the corpus, as [at_classify()] gives it: how often they gave each label, beside
#'   held-out texts; and the passages that decided, where they were asked for (`evidence = TRUE`).
#' @param corpus A data frame (or a file) with `unit_id` and covariates.
#' @param by Names of the covariates to show errors by; by default up to six with 2 to 12 values.
#' @param compare,curve,rounds,anchoring,multiverse What [at_compare()], [at_learning_curve()], [at_round()],
#'   [at_anchoring()] and [at_multiverse()] gave.
#' @param correct,errors What [at_correct()] and [at_error_model()] gave, or lists of such.
#' @param record The path of a `.record.json` to print; times in it are left out.
#' @param title Of the page; by default the codebook's name.
#' @param format `"html"`, `"docx"` or `"tex"`, where the path's ending does not say.
#' @param layout Of corrected regressions: `"journal"`, a column per method with standard errors in brackets, or
#'   `"stacked"`, a row per method with intervals and p-values.
#' @param n_boot,seed Bootstrap replicates of what is computed here, and their seed.
#' @return The path, invisibly.
#' @examplesIf at_available(tuning = TRUE)
#' gold <- data.frame(unit_id = letters[1:6], label = rep(c("x", "y"), each = 3))
#' dictionary <- transform(gold, label = c("x", "y", "x", "y", "y", "y"))
#' found <- at_compare(list(dictionary = dictionary), gold, n_boot = 200)
#' at_report(file.path(tempdir(), "report.html"), compare = found)
#' @export
at_report <- function(path, model = NULL, codings = NULL, reliability = NULL, codebook = NULL, gold = NULL,
                      coded = NULL, corpus = NULL, by = NULL, compare = NULL, curve = NULL, rounds = NULL,
                      anchoring = NULL, multiverse = NULL, correct = NULL, errors = NULL, record = NULL, title = NULL,
                      format = NULL, layout = c("journal", "stacked"), n_boot = 1000, seed = 1) {
  written <- at_call(
    "report",
    path = as_path(path), model = models_to_python(model),
    codings = if (!is.null(codings)) codings_to_python(codings),
    reliability = if (!is.null(reliability)) frame_to_python(reliability), codebook = codebook,
    gold = if (!is.null(gold)) codings_to_python(gold),
    coded = if (!is.null(coded)) predictions_to_python(coded),
    corpus = if (!is.null(corpus)) covariates_to_python(corpus, by),
    by = several(by), compare = compare, curve = curve, rounds = rounds, anchoring = anchoring,
    multiverse = multiverse,
    correct = listed(correct), errors = listed(errors),
    record = as_path(record), title = title, format = format, layout = match.arg(layout),
    n_boot = n_boot, seed = seed
  )
  invisible(written)
}

models_to_python <- function(model) {
  if (is.null(model)) {
    return(NULL)
  }
  lapply(listed(model), function(one) {
    if (is_path(one) || inherits(one, c("at_model", "at_evaluation"))) {
      return(as_path(one))
    }
    abort(
      sprintf("An object of class '%s' is no model.", class(one)[1]),
      "Give what at_tune(), at_load() or at_evaluate() returned, or the folder of a model."
    )
  })
}

# A single result as a list of one.
listed <- function(x) if (is.null(x) || (is.list(x) && !is.object(x))) x else list(x)

# The covariates alone, without texts and without columns that hold lists.
covariates_to_python <- function(corpus, by) {
  if (is.character(corpus)) corpus <- at_corpus(corpus)
  require_columns(corpus, c("unit_id", by), "The corpus")
  kept <- by %||% names(corpus)[vapply(corpus, is.atomic, NA)]
  frame_to_python(corpus[c("unit_id", setdiff(kept, c("unit_id", "text")))])
}
