#' What would more labels add?
#'
#' Tunes models on more and more of the coded texts, measures them all on the same held-out ones, and fits a curve that
#' says what to expect of more labels.
#'
#' With several bases, `base = c("minilm", "multilingual")`, the same sets and held-out texts serve all of them, and models
#' are called `tuned model, minilm` and so on.
#'
#' @param sizes Numbers of labels; by default up to six, from all that are not held out down by halves.
#' @param seeds How many different sets of each size.
#' @param measure What the fitted curve is about: macro_f1 by default. Where the gold has its coders' shares, also
#'   log_score, brier_score or share_distance, of which lower is better and which `table` then has.
#' @param budget Such as `"30min"`: no run but the first is begun that would go beyond it.
#' @param path A folder where every finished run is kept: what was interrupted goes on from there.
#' @param n_boot,seed Bootstrap replicates, and the seed of every draw.
#' @inheritParams at_tune
#' @return An object of class `at_learning_curve`: a list with `table` (a row per size, model and measure), `points`,
#'   `measure`, `fits`, `forecast`, `words`. `plot()` draws it, the forecast dashed; `predict(curve, n = 2000)` says
#'   what to expect.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(n = 200, n_coded = 120)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' curve <- at_learning_curve(
#'   data$corpus, gold, data$codebook,
#'   sizes = c(25, 50, 90), seeds = 1, method = "probe", n_boot = 100
#' )
#' plot(curve)
#' }
#' @export
at_learning_curve <- function(corpus, gold, codebook, variable = NULL, sizes = NULL, seeds = 3, test = 0.25,
                              validation = 0.15, group = NULL, measure = NULL, budget = NULL, path = NULL,
                              pi = NULL, prevalence = NULL, n_boot = 1000, seed = 1, unit_id = "unit_id",
                              text = "text", ...) {
  curve <- at_call(
    "learning_curve",
    corpus = corpus_to_python(corpus, unit_id, text, c(group, pi, if (is.list(test)) names(test))),
    gold = codings_to_python(gold), codebook = codebook, variable = variable, sizes = several(sizes), seeds = seeds,
    test = test, validation = validation, group = group, measure = measure, budget = budget, out = as_path(path),
    pi = pi, prevalence = prevalence, n_boot = n_boot, seed = seed, ...
  )
  curve$forecast <- forecast_to_draw(curve)
  curve
}

# With the curve in R, so that it can be drawn in another session; a curve of too few sizes has none.
forecast_to_draw <- function(curve) {
  if (curve$table$model[1] %in% names(curve$fits)) {
    sizes <- range(curve$table$n)
    predict(curve, unique(round(exp(seq(log(sizes[1]), log(2 * sizes[2]), length.out = 60)))))
  }
}

#' What to expect of more labels
#'
#' @param object What [at_learning_curve()] gave.
#' @param n Numbers of labels.
#' @param model A model of the curve's table; the tuned one when left out, of several bases the first's.
#' @param ... Not used.
#' @return A tibble: n, estimate, ci_low, ci_high (95 %).
#' @export
predict.at_learning_curve <- function(object, n, model = NULL, ...) {
  at_call("forecast", curve = object, n = several(n), model = model)
}

#' @rdname tidiers
#' @export
tidy.at_learning_curve <- function(x, ...) x$table

#' Several coders against one gold
#'
#' Tuned and hosted models, dictionaries, published predictions and people are all coders. They are compared on the same
#' texts, with paired differences.
#'
#' @param codings A table of codings by several coders; or a named list of tables, or of models, which stand for their
#'   held-out predictions.
#' @param gold A table of codings with one answer per text.
#' @param people Groups of human coders: `list(student = c("s1", "s2"))`.
#' @param reference Test only the pairs that this coder is in.
#' @param costs A data frame with model, cost, seconds: per thousand texts.
#' @inheritParams at_evaluate
#' @return An object of class `at_comparison`: a list with `measures`, `pairs`, `agreement`, `costs`.
#' @examplesIf at_available()
#' gold <- data.frame(unit_id = letters[1:6], label = rep(c("x", "y"), each = 3))
#' dictionary <- transform(gold, label = c("x", "y", "x", "y", "y", "y"))
#' hosted <- gold[c(1, 2, 4, 5), ]
#' at_compare(list(dictionary = dictionary, hosted = hosted), gold, n_boot = 200)
#' @export
at_compare <- function(codings, gold, variable = NULL, codebook = NULL, people = NULL, reference = NULL, corpus = NULL,
                       train = NULL, costs = NULL, cluster = NULL, n_boot = 1000, seed = 1) {
  sides <- if (is.data.frame(codings)) codings_to_python(codings) else lapply(codings, coder_to_python)
  at_call(
    "compare",
    codings = sides, gold = codings_to_python(gold), variable = variable, codebook = codebook,
    people = if (!is.null(people)) structure(lapply(people, several), names = names(people)), reference = reference,
    corpus = if (!is.null(corpus)) corpus_to_python(corpus, more = cluster),
    train = if (!is.null(train)) codings_to_python(train), costs = costs, cluster = cluster,
    n_boot = n_boot, seed = seed
  )
}

# A model stands for its held-out predictions.
coder_to_python <- function(x) if (inherits(x, "at_model")) x else predictions_to_python(x)

# Codings, or texts with their codes beside them, which Python tells apart.
predictions_to_python <- function(x) {
  require_columns(x, "unit_id", "The table of predictions")
  frame_to_python(x)
}

#' @rdname tidiers
#' @export
tidy.at_comparison <- function(x, ...) x$measures

#' Do the probabilities say how often answers are right?
#'
#' @param codings Predictions by one coder for texts that it was not tuned on; or a model from [at_tune()], which stands
#'   for its held-out predictions; with a codebook also coded texts with a column a variable.
#' @param gold A table of codings with one answer per text.
#' @param bins How many, of equal width.
#' @inheritParams at_evaluate
#' @return An object of class `at_calibration`: a list with `bins`, `scores` (ece, brier, log_loss), `words`. `plot()`
#'   draws the reliability diagram.
#' @examplesIf at_available()
#' gold <- data.frame(unit_id = letters[1:4], label = c("x", "x", "y", "y"))
#' said <- transform(gold, label = c("x", "x", "y", "x"), prob = c(0.9, 0.9, 0.6, 0.6))
#' plot(at_calibration(said, gold, n_boot = 0))
#' @export
at_calibration <- function(codings, gold, variable = NULL, codebook = NULL, bins = 10, n_boot = 1000, seed = 1) {
  at_call(
    "calibration",
    codings = coder_to_python(codings), gold = codings_to_python(gold), variable = variable, codebook = codebook,
    bins = bins, n_boot = n_boot, seed = seed
  )
}

#' @rdname tidiers
#' @export
tidy.at_calibration <- function(x, ...) x$scores

#' @rdname tidiers
#' @export
glance.at_calibration <- function(x, ...) {
  first <- x$scores[x$scores$version == x$scores$version[1], ]
  tibble::tibble(!!!stats::setNames(as.list(first$estimate), first$measure), n_units = first$n_units[1])
}

#' Which texts should people code?
#'
#' Divides the texts so that at most `risk` of the model's answers that are kept are wrong (Geifman and El-Yaniv 2017).
#'
#' @param codings The model's codings of the texts to be divided; with a codebook also
#'   coded texts with a column a variable, as `annotune classify` writes them.
#' @param held_out Its predictions for coded texts that it was not tuned on, or the model itself.
#' @param gold The hand codings of those texts.
#' @param risk The share of wrong answers that is acceptable.
#' @param confidence That the risk is held.
#' @param by_level Where labels have parents: code each text at the lowest level where the risk holds, its minor where
#'   the model is sure of that, else its major, else not at all. The risk is held among the codes given at each level.
#' @inheritParams at_evaluate
#' @return An object of class `at_abstention`: a list with `codings` (and their columns `confidence` and `by_hand`),
#'   `curve`, `threshold`, `bound`, `words`. With `by_level` one of class `at_level_abstention`: `codings` with each
#'   text's label and its `level`, and `levels`, such an object each.
#' @examplesIf at_available()
#' sure <- rep(c(0.6, 0.99), c(100, 300))
#' said <- data.frame(unit_id = 1:400, label = "x", prob = sure, coder = "model")
#' gold <- data.frame(unit_id = 1:400, label = c(rep(c("x", "y"), 50), rep("x", 300)))
#' at_abstain(said, held_out = said, gold = gold)
#' @export
at_abstain <- function(codings, held_out, gold, risk = 0.05, confidence = 0.95, variable = NULL, codebook = NULL,
                       by_level = FALSE) {
  at_call(
    "abstain",
    codings = predictions_to_python(codings), held_out = coder_to_python(held_out), gold = codings_to_python(gold),
    risk = risk, confidence = confidence, variable = variable, codebook = codebook, by_level = by_level
  )
}

#' How often does a model give each label?
#'
#' To a corpus, beside how often people and the model gave it to held-out texts. Where the texts of the corpus are like
#' the coded ones, the model's two shares agree but for chance. Where they do not, the corpus is of another kind, or the
#' coded texts were not drawn from it at random (see `pi` and `prevalence` of [at_tune()]): what was measured on held-out
#' texts does then not hold for it.
#'
#' @param model A model from [at_tune()] or [at_load()] that was measured on held-out texts.
#' @param codings What it says of the corpus, as [at_classify()] gives it, or coded texts with a column for the variable.
#' @return A tibble with a row per label: label, people, held_out and corpus (shares of the texts with an answer),
#'   n_held_out, n_corpus, and apart: whether held_out and corpus differ by more than chance.
#' @examplesIf at_available(tuning = TRUE)
#' data <- at_demo(n = 150, n_coded = 80)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' model <- at_tune(data$corpus, gold, data$codebook, method = "probe", folds = 2, n_boot = 0)
#' at_shares(model, at_classify(model, data$corpus))
#' @export
at_shares <- function(model, codings) {
  require_model(model)
  at_call("shares", model = model, codings = predictions_to_python(codings))
}

#' Base models that have a short name
#'
#' What each is, and what was measured of it: `at_tune(base = "multilingual")` is for texts that are not English.
#' Whatever else a base is, a folder or a name on a hub, works as well and was not tried. Nothing is fetched.
#'
#' @return A tibble with a row per base: base (its short name), model (what its authors call it), languages, parameters
#'   (in millions), megabytes, licence, package (of Python's index, in which its weights come), extra (for
#'   [at_install()]; `NA` for the default), installed, revision, texts_per_second (headlines, by one core), and
#'   macro_f1_english, macro_f1_dutch and so on: of a logistic regression on its embeddings of 600 coded texts.
#' @seealso [at_tune()], [at_install()]
#' @examplesIf at_available()
#' at_bases()
#' @export
at_bases <- function() at_call("bases")

#' Hand codings that deserve a second look
#'
#' Ranks hand codings by how likely they are mistakes (confident learning; Northcutt, Jiang and Chuang 2021).
#'
#' @param held_out Predictions with columns `p_<label>` for texts that the model was not tuned on, or the model itself.
#' @param gold The hand codings.
#' @param corpus Texts to show beside.
#' @param n How many to list.
#' @inheritParams at_evaluate
#' @return A tibble: rank, unit_id, text, label, hand, model, p_hand, p_model, likely_error, why.
#' @examplesIf at_available()
#' gold <- data.frame(unit_id = letters[1:4], label = c("x", "x", "y", "x"))
#' said <- data.frame(unit_id = letters[1:4], label = c("x", "x", "y", "y"), coder = "model",
#'   prob = c(0.9, 0.8, 0.9, 0.9), p_x = c(0.9, 0.8, 0.1, 0.1), p_y = c(0.1, 0.2, 0.9, 0.9))
#' at_label_errors(said, gold)
#' @export
at_label_errors <- function(held_out, gold, corpus = NULL, variable = NULL, codebook = NULL, n = 50) {
  at_call(
    "label_errors",
    held_out = coder_to_python(held_out), gold = codings_to_python(gold),
    corpus = if (!is.null(corpus)) corpus_to_python(corpus), variable = variable, codebook = codebook, n = n
  )
}

#' @export
summary.at_result <- function(object, ...) object

#' @rdname tidiers
#' @export
tidy.at_abstention <- function(x, ...) x$curve

#' @rdname tidiers
#' @export
tidy.at_level_abstention <- function(x, ...) x$codings
