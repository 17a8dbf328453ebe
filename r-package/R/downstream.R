#' Code a corpus so that its errors can be corrected
#'
#' A model fits the texts it was tuned on better than others. So coded texts are predicted in folds, each by a model
#' that has not seen it, and the texts that nobody coded by the same models. What comes out is ready for
#' [at_correct()], [at_prevalence()] and the others.
#'
#' @param corpus A data frame. A column `pi` holds the probability with which each text was drawn for hand coding.
#' @param folds How many.
#' @param uncoded Who codes the texts that nobody coded. `"folds"`: the model of one fold each, drawn at random, so that
#'   coded and uncoded texts are coded by the same models, as a correction assumes. `"model"`: the one tuned on all
#'   coded texts.
#' @param base,seed The base model, and the seed of every draw.
#' @param pi Where the column `pi` has another name: by it coded texts are weighed in every choice and figure.
#' @param path A folder where every finished fold is kept: what was interrupted goes on from there.
#' @param precision Of coding the texts that nobody coded: `"float32"`, or `"bfloat16"` for speed.
#' @param draws How texts were drawn for coding: a study's store, or the `draws` of [at_sample()]; adds `pi` and `wave`.
#' @inheritParams at_tune
#' @inheritParams predict.at_model
#' @return An object of class `at_crossfit`: a list with `codings`, `data` (a row per text: covariates, label,
#'   probabilities, `<variable>_gold`, `coded`, `fold`, `pi`), `model` (tuned on all coded texts) and `evaluation`.
#' @references Chernozhukov, V. et al. (2018). Double/debiased machine learning for treatment and structural parameters.
#'   *The Econometrics Journal* 21. Zrnic, T. and Candes, E. J. (2024). Cross-prediction-powered inference. *Proceedings
#'   of the National Academy of Sciences* 121.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(n = 120, n_coded = 60)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' done <- at_crossfit(data$corpus, gold, data$codebook, folds = 2, method = "probe")
#' done$data
#' }
#' @export
at_crossfit <- function(corpus, gold, codebook, variable = NULL, folds = 5, group = NULL,
                        uncoded = c("folds", "model"), base = "minilm", seed = 1, path = NULL,
                        precision = c("float32", "bfloat16"), pi = NULL, prevalence = NULL, unit_id = "unit_id",
                        text = "text", draws = NULL, ...) {
  corpus <- whole_corpus(corpus, unit_id, text, c(group, pi))
  done <- at_call(
    "crossfit",
    corpus = whole_to_python(corpus, c(group, pi)), gold = codings_to_python(gold),
    codebook = codebook, variable = variable, folds = folds, group = group, uncoded = match.arg(uncoded), base = base,
    seed = seed, out = as_path(path), precision = match.arg(precision), pi = pi, prevalence = prevalence,
    draws = draws_to_python(draws), ...
  )
  done$data <- order_ordinal(with_own_columns(done$data, corpus), codebook)
  done
}

# A corpus with its covariates; Python needs to see few of them, and gives back the names of all.
whole_corpus <- function(corpus, unit_id, text, group = NULL) {
  if (is_path(corpus)) { # what is read from a file has these two names already
    corpus <- at_corpus(corpus, unit_id, text)
    unit_id <- "unit_id"
    text <- "text"
  }
  require_columns(corpus, c(unit_id, text, group), "The corpus")
  names(corpus)[match(c(unit_id, text), names(corpus))] <- c("unit_id", "text")
  corpus$unit_id <- as_id(corpus$unit_id)
  corpus
}

whole_to_python <- function(corpus, group = NULL) {
  frame_to_python(corpus, blank = setdiff(names(corpus), c("unit_id", "text", group, "pi")))
}

# R's own columns, which Python saw by name alone or as codes, in place of what came back.
with_own_columns <- function(found, data, except = character()) {
  for (name in setdiff(intersect(names(found), names(data)), c("unit_id", except))) found[[name]] <- data[[name]]
  found
}

# Columns that no formula can use stay in R.
usable_columns <- function(data) {
  require_columns(data, character(), "The data")
  fits <- vapply(data, function(x) is.atomic(x) && is.null(dim(x)) && !is.complex(x) && !is.raw(x), NA)
  kept <- data[setdiff(names(data)[fits], "text")]
  # identifiers are no covariates: as words they keep their digits
  frame_to_python(kept, ids = if (has_lost_digits(kept)) character() else intersect("unit_id", names(kept)))
}

has_lost_digits <- function(data) is.double(data[["unit_id"]]) && any(abs(data$unit_id) >= 2^53, na.rm = TRUE)

formula_text <- function(formula) {
  if (inherits(formula, "formula")) gsub("\"", "'", deparse1(formula, width.cutoff = 500L)) else formula
}

#' Regress with machine labels, their error corrected
#'
#' A regression that takes a model's labels for the truth is biased by the model's errors. Hand-coded texts, drawn with
#' known probability, correct it. Every coefficient is given three times: by the hand-coded texts only, naively, and
#' corrected.
#'
#' @param formula A formula, `topic == "Health" ~ party + year`; groups whose fixed effects are absorbed stand after a
#'   bar: `... ~ year | district`.
#' @param data A data frame with a row per text, as [at_crossfit()] (its `data`) or [at_attach()] give it: `topic` was
#'   predicted where there is a column `topic_gold`, `y` where there are `y_gold` and `y_hat`, and the share of coders
#'   `topic_share_Health` where there is `topic_p_Health`.
#' @param model `"linear"`, `"logit"`, `"poisson"`, `"multinomial"` or `"fixed_effects"`.
#' @param method `"dsl"`: design-based supervised learning (Egami, Hinck, Stewart and Wei 2023). `"ppi"`:
#'   prediction-powered inference (Angelopoulos, Duchi and Zrnic 2023). `"auto"`: DSL's and the hand-coded estimate,
#'   weighted for each coefficient by what the predictions are worth for it. `"none"`.
#' @param cluster A column, or two, within whose values texts depend on each other: `c("author", "paper")`.
#' @param weights The column with survey weights.
#' @param prediction What stands for an outcome that is a label: `"prob"`, its probability; `"label"`; or
#'   `"recalibrated"`, what label and covariates say about it by the coded texts of other folds.
#' @param pi The probability with which a text was drawn for hand coding: a column (by default `pi`), or a number.
#' @param gold,predicted Where names do not tell: the column with the outcome's hand codings, and for predicted
#'   variables `list(variable = c("hand codings", "predictions"))`. Where several coders predicted the outcome,
#'   `list(topic = c("topic_gold", "tuned", "gpt", "dictionary"))`: what they say together is learned from the hand
#'   codings, so that a bad one gets little weight; naive estimates are by the first.
#' @param coded,fold The columns that say which texts were coded, and by which fold predicted.
#' @param wave The column with the number of the wave in which a text was drawn, where later waves' `pi` rest on earlier
#'   codings; by default `wave`, where only the drawn texts have one. `pi` is that of the text's own wave.
#' @param reference The category that the others are compared with, by column: `c(party = "Labour")`. By default the
#'   first level of a factor.
#' @param level Of the confidence intervals.
#' @param small_sample By default (`NULL`) standard errors are CR2 with Satterthwaite's degrees of freedom where there
#'   are fewer than 50 clusters. `TRUE`: Stata's small-sample corrections, and t in place of normal intervals of linear
#'   models; `FALSE`: none.
#' @param power The lambda of `"ppi"`, from 0 to 1; by default the best one.
#' @param codings All coders' codings: the outcome of a hand-coded text is then the share of its coders who would say so (of
#'   a number their mean), found by `unit_id`.
#' @param coders With `codings`, whose share: `"these"`, of the coders who coded; or `"any"`, of all coders like them:
#'   standard errors are then by text and coder, with intervals by t, and at least 5 coders are needed.
#' @return An object of class `at_correction`, its terms named as [lm()] names them. `tidy()` gives a row per coefficient
#'   and method (of one, with `method = "corrected"`), [coef()][coef.at_correction] and `vcov()` the corrected ones,
#'   `plot()` draws them, [split()][split.at_correction] makes a regression of each method for tables of several columns,
#'   and [at_write()] hands it to Stata, R and papers. `notes` are sentences about assumptions, `advice` what may be done
#'   about them; `margins` the average marginal effects of a logit whose covariates are known and in one term each.
#' @references Egami, N., Hinck, M., Stewart, B. M. and Wei, H. (2023). Using imperfect surrogates for downstream
#'   inference. *Advances in Neural Information Processing Systems* 36.
#' @examplesIf at_available()
#' set.seed(1)
#' x <- rnorm(2000) > 0
#' y <- rbinom(2000, 1, 0.3 + 0.1 * x)
#' y_hat <- ifelse(runif(2000) < ifelse(x, 0.3, 0.1), 1 - y, y)
#' coded <- runif(2000) < 0.2
#' data <- data.frame(x, y_hat, y_gold = ifelse(coded, y, NA))
#' at_correct(y ~ x, data, pi = 0.2)
#' @export
at_correct <- function(formula, data, model = c("linear", "logit", "poisson", "multinomial", "fixed_effects"),
                       method = c("dsl", "ppi", "auto", "none"), cluster = NULL, weights = NULL,
                       prediction = c("prob", "label", "recalibrated"), pi = NULL, gold = NULL, predicted = NULL, coded = NULL,
                       fold = NULL, wave = NULL, reference = NULL, level = 0.95, small_sample = NULL, power = NULL,
                       codings = NULL, coders = c("these", "any")) {
  fit <- at_call(
    "correct",
    formula = formula_text(formula), data = usable_columns(data), model = match.arg(model),
    method = match.arg(method), cluster = several(cluster), weights = weights, prediction = match.arg(prediction),
    pi = pi,
    gold = gold, predicted = if (!is.null(predicted)) lapply(as.list(predicted), hand_and_predicted), coded = coded, fold = fold,
    wave = wave, reference = if (!is.null(reference)) as.list(reference), level = level, small_sample = small_sample,
    power = power, codings = if (!is.null(codings)) codings_to_python(codings), coders = match.arg(coders)
  )
  named_as_r(fit, formula, data)
}

# The column of hand codings, and those of predictions, one or several.
hand_and_predicted <- function(columns) {
  columns <- unlist(columns)
  list(columns[[1]], several(columns[-1]))
}

#' The outcome, corrected, as a column
#'
#' Adds `dsl_y`, to which a linear regression is fitted as usual: `lm(dsl_y ~ x)` with robust standard errors is
#' design-based supervised learning. For linear models only; [at_correct()] has the others.
#'
#' @param data A data frame with a row per text.
#' @param variable What was coded, where there are several.
#' @param label Correct for this label alone; without it a coded variable gets a column for each label.
#' @param gold,predicted The columns with hand codings and predictions.
#' @param codebook Gives the labels, and the names of their columns.
#' @param prediction What stands for an outcome that is a label: `"prob"`, its probability, or `"label"`.
#' @inheritParams at_correct
#' @return The data with `coded`, `pi`, and `y_gold`, `y_hat`, `dsl_y`, or `dsl_<label>` for each label.
#' @examplesIf at_available()
#' data <- data.frame(y_hat = rep(c(0.6, 0.4), 40), y_gold = rep(c(1, 0, NA, NA), 20))
#' at_dsl_columns(data, "y", pi = 0.5)
#' @export
at_dsl_columns <- function(data, variable = NULL, label = NULL, gold = NULL, predicted = NULL, pi = NULL, coded = NULL,
                           fold = NULL, wave = NULL, prediction = c("prob", "label"), codebook = NULL) {
  found <- at_call(
    "dsl_columns",
    data = usable_columns(data), variable = variable, label = label, gold = gold, predicted = predicted, pi = pi,
    coded = coded, fold = fold, wave = wave, prediction = match.arg(prediction), codebook = codebook
  )
  changed <- union(setdiff(names(found), names(data)), intersect(c("coded", "pi"), names(found)))
  result <- tibble::as_tibble(data)
  result[changed] <- found[changed]
  result
}

#' The share of every label
#'
#' In all texts, or by group and time, by several methods: the count of predicted labels (errors and all), the
#' hand-coded texts alone, and what corrects the one by the other.
#'
#' @param data A data frame with a row per text, as [at_crossfit()] gives it; or a folder that [at_classify()] coded texts
#'   into, which is read file by file, however many texts there are.
#' @param variable,gold,predicted,pi What was coded (one or several), and the columns, where names do not tell.
#' @param by,time Columns whose values are looked at separately.
#' @param every For a column of dates, how long a period is: `"1mo"`, `"1q"`, `"1y"`.
#' @param methods Any of `"count"`, `"hand"`, `"adjusted"` (Forman 2008), `"em"` (Saerens et al. 2002), `"dsl"`,
#'   `"ppi"`; by default all, for a folder all but `"em"`, and without hand codings `"count"`. A table without hand
#'   codings has the count where it is named.
#' @param wave The column with the number of the wave in which a text was drawn; by default `wave`, where only the drawn
#'   texts have one.
#' @param cluster A column whose values depend on each other.
#' @param level Of the intervals.
#' @param n_boot,seed Replicates of the bootstrap of `"em"`, and its seed.
#' @param of Whose shares: `"corpus"`, those of these very texts, of which the hand-coded ones are known; or `"population"`,
#'   those of a larger one of which all texts are a random sample (wider intervals).
#' @param hand_coded For a folder the hand-coded texts, a data frame or file: a row per text with `unit_id`,
#'   `<variable>_gold` and `pi`, as [at_crossfit()] gives it, or a row per coding with `unit_id`, `variable`, `label`, `pi`.
#' @param texts For a folder the texts, where these have moved and columns are read that are not among the codes.
#' @param codings All coders' codings, a data frame: shares are then those of the expected coder, what share of coders would
#'   give a label, by `"hand"` and `"dsl"`.
#' @param coders With `codings`, whose share: `"these"`, of the coders who coded; or `"any"`, of all coders like them, at
#'   least 5 of whom are needed: intervals then have the variance between coders, and Student's t.
#' @return A tibble of class `at_prevalence`: by and time (before them, of several variables, `variable`), label, method, estimate, std_error, conf_low, conf_high,
#'   interval, n, n_coded, note.
#' @examplesIf at_available()
#' truth <- rep(c("war", "trade"), c(30, 70))
#' topic <- ifelse(seq_along(truth) %% 3 == 1, "trade", truth)
#' topic_gold <- ifelse(seq_along(truth) %% 2 == 1, truth, NA)
#' at_prevalence(data.frame(topic, topic_gold), pi = 0.5, methods = c("count", "dsl"))
#' @export
at_prevalence <- function(data, variable = NULL, by = NULL, time = NULL, every = NULL,
                          methods = NULL, gold = NULL, predicted = NULL, pi = NULL, wave = NULL, cluster = NULL,
                          level = 0.95, n_boot = 200, seed = 1, of = c("corpus", "population"), hand_coded = NULL,
                          texts = NULL, codings = NULL, coders = c("these", "any")) {
  found <- at_call(
    "prevalence",
    codings = if (!is.null(codings)) codings_to_python(codings), coders = match.arg(coders),
    data = if (is_path(data)) as_path(data) else usable_columns(data),
    hand_coded = if (is.data.frame(hand_coded)) usable_columns(hand_coded) else as_path(hand_coded),
    texts = as_path(texts), variable = if (length(variable) > 1) several(variable) else variable, by = several(by), time = time, every = every,
    methods = several(methods), gold = gold, predicted = predicted, pi = pi, wave = wave, cluster = cluster,
    level = level, n_boot = n_boot, seed = seed, of = match.arg(of)
  )
  structure(found, class = c("at_prevalence", class(found)), time = time)
}

#' @rdname tidiers
#' @export
tidy.at_prevalence <- function(x, ...) tibble::as_tibble(as.list(x))

#' Does a model meet other texts, and err more, as time goes on?
#'
#' Compares what a model says of texts in each period with a reference: the share of texts that it is unsure of, how its
#' certainty is distributed, how often it gives each label, and, where some texts of each period were coded by hand, how
#' often it is right. Intervals hold for all comparisons together. Only accuracy tells whether the model errs more: the
#' others may move because the world did.
#'
#' @param data A folder that [at_classify()] coded texts into; or a data frame of codings, as [at_classify()] gives it, with
#'   the column `time` beside.
#' @param time,every The column of periods; of dates, how long one is: `"1mo"`, `"1q"`, `"1y"`.
#' @param variable The variables; by default all.
#' @param reference The periods that the others are compared with; by default the first.
#' @param hand_coded Some texts of each period coded by hand, a data frame or file: `unit_id`, `<variable>_gold`, and, where
#'   they were not drawn with one probability, `pi`.
#' @param pi The column with that probability.
#' @param texts For a folder the texts, where these have moved and `time` is not among the codes.
#' @param below The certainty below which a model is unsure; by default that below which a tenth of the reference's texts are.
#' @param tolerance A change up to this size is no alarm.
#' @param level Of the intervals, together.
#' @return An object of class `at_drift`: a list with `table` (a row per variable, period and measure: value, reference,
#'   change, conf_low, conf_high, n, moved), `time`, `reference`, `verdict`, `notes`; for `plot()` and [tidy()].
#' @examplesIf at_available()
#' codes <- data.frame(
#'   unit_id = 1:600, year = rep(2020:2021, 300), variable = "topic", label = "war",
#'   prob = rep(c(0.9, 0.6), 300) - (1:600) %% 7 / 100
#' )
#' at_drift(codes, time = "year")
#' @export
at_drift <- function(data, time, variable = NULL, every = NULL, reference = NULL, hand_coded = NULL, pi = NULL,
                     texts = NULL, below = NULL, tolerance = 0, level = 0.95) {
  at_call(
    "drift",
    data = if (is_path(data)) as_path(data) else usable_columns(data), time = time, variable = several(variable),
    every = every, reference = if (!is.null(reference)) several(as.character(reference)),
    hand_coded = if (is.data.frame(hand_coded)) usable_columns(hand_coded) else as_path(hand_coded), pi = pi,
    texts = as_path(texts), below = below, tolerance = tolerance, level = level
  )
}

#' @rdname tidiers
#' @export
tidy.at_drift <- function(x, ...) x$table

#' Do the model's errors depend on covariates?
#'
#' Regresses whether a prediction is wrong on covariates, among the hand-coded texts. An error that is related to the
#' covariates can bias a regression in any direction.
#'
#' @param covariates Columns, or the right side of a formula: `~ party * year`.
#' @param label Look at errors about this label alone.
#' @param data A data frame with a row per text, as [at_crossfit()] gives it.
#' @param variable,gold,predicted,pi What was coded, and the columns, where names do not tell.
#' @inheritParams at_prevalence
#' @return An object of class `at_error_model`: a list with `coefficients`, `effects`, `tests`, `outcome`, `verdict`,
#'   `note`.
#' @examplesIf at_available()
#' data <- data.frame(side = rep(c("left", "right"), each = 60), y_gold = 1)
#' data$y_hat <- as.integer(seq_len(120) %% ifelse(data$side == "left", 10, 3) != 0)
#' at_error_model(data, "side")
#' @export
at_error_model <- function(data, covariates, variable = NULL, label = NULL, gold = NULL, predicted = NULL, pi = NULL,
                           wave = NULL, cluster = NULL) {
  right <- if (inherits(covariates, "formula")) sub("^~ *", "", formula_text(covariates)) else several(covariates)
  found <- at_call(
    "error_model",
    data = usable_columns(data), covariates = right, variable = variable, label = label, gold = gold,
    predicted = predicted, pi = pi, wave = wave, cluster = cluster
  )
  right <- paste("~", paste(unlist(right), collapse = " + "))
  found$coefficients$term <- r_terms(found$coefficients$term, right, data)
  found
}

#' @rdname tidiers
#' @export
tidy.at_error_model <- function(x, ...) as_broom(x$coefficients)

#' @rdname tidiers
#' @export
glance.at_error_model <- function(x, ...) {
  joint <- x$tests[is.na(x$tests$covariate), ]
  tibble::tibble(
    outcome = x$outcome, n_coded = x$n_coded, n_wrong = x$n_wrong, statistic = joint$statistic[1], df = joint$df[1],
    p_value = joint$p_value[1]
  )
}

#' How many texts must be coded by hand?
#'
#' How many hand codings give a target standard error of a corrected share or coefficient, or which one a number of them
#' gives, by a pilot.
#'
#' @param pilot A data frame with a row per text: predictions for all, hand codings for some.
#' @param target,n The standard error that is wanted, or the number of hand codings there will be.
#' @param effect,power Or an effect that is to be found with this probability, by a two-sided test at 5 %.
#' @param label Plan for this label's share; every label's by default.
#' @param formula,term Plan for a regression, `topic == "Health" ~ party`, and one of its coefficients.
#' @param model,cluster Of the regression: `"linear"`, `"logit"` or `"poisson"`, and the column of clusters for which its
#'   standard errors allow.
#' @param method `"dsl"` or `"ppi"`.
#' @param total Texts in the corpus, where they are not the pilot's.
#' @param n_boot,seed Bootstrap replicates of the pilot for the interval, and their seed.
#' @param of Whose shares, as in [at_prevalence()]; coefficients are those of a population.
#' @param variable,gold,predicted,pi What was coded, and the columns, where names do not tell.
#' @inheritParams at_prevalence
#' @return An object of class `at_sample_plan`: a list with `n`, `n_low`, `n_high`, `estimates`, `designs` (what a simple
#'   draw, strata by the predicted label and an active draw need), `curve`, `verdict`. `plot()` draws the curve.
#' @examplesIf at_available()
#' truth <- rep(c(1, 0, 0, 0), 500)
#' data <- data.frame(y_hat = ifelse(seq_along(truth) %% 10 == 4, 1 - truth, truth))
#' data$y_gold <- ifelse(seq_along(truth) <= 200, truth, NA)
#' at_plan_sample(data, target = 0.02, label = "1")
#' @export
at_plan_sample <- function(pilot, variable = NULL, target = NULL, n = NULL, effect = NULL, power = 0.8, label = NULL,
                           formula = NULL, term = NULL, model = c("linear", "logit", "poisson"), cluster = NULL,
                           method = c("dsl", "ppi"), total = NULL, gold = NULL, predicted = NULL, pi = NULL,
                           wave = NULL, n_boot = 1000, seed = 1, of = c("corpus", "population")) {
  at_call(
    "plan_sample",
    pilot = usable_columns(pilot), variable = variable, target = target, n = n, effect = effect, power = power,
    label = label, formula = if (!is.null(formula)) formula_text(formula), term = term, model = match.arg(model),
    cluster = cluster, method = match.arg(method), total = total,
    gold = gold, predicted = predicted, pi = pi, wave = wave, n_boot = n_boot, seed = seed, of = match.arg(of)
  )
}

#' @rdname tidiers
#' @export
tidy.at_sample_plan <- function(x, ...) x$estimates

#' @rdname tidiers
#' @export
glance.at_sample_plan <- function(x, ...) tibble::new_tibble(x[c("n", "n_low", "n_high", "total", "n_pilot")], nrow = 1)
