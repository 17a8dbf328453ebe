#' Code texts with a tuned model
#'
#' `predict()` gives a row per text, in their order, texts that are missing among them. `augment()` puts the same beside
#' the data.
#'
#' @param object,x A model from [at_tune()] or [at_load()].
#' @param newdata A data frame, or a character vector of texts.
#' @param type `"class"` for the label, `"prob"` for the probability of each.
#' @param unit_id,text The columns with the identifier and the text; by default those that the model was tuned with (or
#'   its formula). Without a column with identifiers, rows are numbered.
#' @param precision `"float32"`; `"bfloat16"`, which is two to three times as fast where the processor has it, and gives
#'   another label to some texts; `"exact"`, the fastest that computes in 32 bits; `"auto"`, the fastest of all that
#'   proves itself: on a thousand of these texts, 995 labels have to be those of float32. A message says what it is.
#' @param ... Not used.
#' @return A tibble: `unit_id`, then `.pred_class` (a factor; for a multi-label variable a list of labels), or
#'   `.pred_<label>` for each label. NA where there is no text.
#' @inherit at_tune examples
#' @export
predict.at_model <- function(object, newdata, type = c("class", "prob"), unit_id = NULL, text = NULL,
                             precision = c("float32", "bfloat16", "exact", "auto"), ...) {
  type <- match.arg(type)
  found <- predictions(object, newdata, unit_id, text, match.arg(precision))
  if (type == "class") found[c("unit_id", ".pred_class")] else found[setdiff(names(found), ".pred_class")]
}

predictions <- function(model, newdata, unit_id, text, precision) {
  if (is.character(newdata)) newdata <- tibble::tibble(text = newdata)
  else if (!is.data.frame(newdata)) abort("`newdata` is no data frame.", "Give a data frame, or a character vector.")
  else text <- text %||% model$inputs$text
  require_known_levels(model, newdata)
  texts <- texts_to_code(model, newdata, text)
  around <- columns_beside(model)
  require_columns(newdata, around, "The data")
  found <- at_call(
    "predict", model = model, texts = words_sent(texts), precision = precision, say = passing(),
    beside = if (length(around)) frame_to_python(newdata[around])
  )
  names(found) <- sub("^p_", ".pred_", names(found))
  names(found)[1] <- ".pred_class"
  if (is.list(found$.pred_class)) found$.pred_class <- lapply(found$.pred_class, identity)
  else if (kind_of(model) == "ordinal") found$.pred_class <- as_ordered(found$.pred_class)
  tibble::add_column(found, unit_id = ids_of(model, newdata, unit_id), .before = 1)
}

# What a model reads beside the text: neighbours, a target, covariates.
columns_beside <- function(model) {
  settings <- model$card$settings
  as.character(c(setdiff(unlist(settings$text), "text"), settings$target, unlist(settings$inputs)))
}

kind_of <- function(model) model$codebook$variables[[1]]$kind

as_ordered <- function(x) structure(x, class = c("ordered", "factor"))

# What the model was tuned to give may stand beside the texts; a level that it does not know is no small matter.
require_known_levels <- function(model, newdata) {
  name <- model$codebook$variables[[1]]$name
  if (name %in% names(newdata) && is.factor(newdata[[name]])) {
    require_levels(levels(droplevels(newdata[[name]])), model$codebook$variables[[1]]$labels$name, name)
  }
}

texts_to_code <- function(model, newdata, text) {
  if (is.null(text) && !is.null(model$inputs$formula) && !identical(names(newdata), "text")) {
    return(texts_of(formula_sides(model$inputs$formula), newdata))
  }
  text <- text %||% "text"
  require_columns(newdata, text, "The data")
  texts_of(list(text = as.name(text), env = emptyenv()), newdata)
}

ids_of <- function(model, newdata, unit_id) {
  if (!is.null(unit_id)) require_columns(newdata, unit_id, "The data")
  unit_id <- unit_id %||% model$inputs$unit_id
  if (is.null(unit_id) || !unit_id %in% names(newdata)) {
    return(as.character(seq_len(nrow(newdata))))
  }
  as_id(newdata[[unit_id]], unit_id)
}

#' @rdname predict.at_model
#' @export
augment.at_model <- function(x, newdata, unit_id = NULL, text = NULL,
                             precision = c("float32", "bfloat16", "exact", "auto"), ...) {
  if (!is.data.frame(newdata)) abort("`newdata` is no data frame.", "predict() takes texts without one.")
  found <- predictions(x, newdata, unit_id, text, match.arg(precision))[-1]
  again <- intersect(names(found), names(newdata))
  if (length(again)) {
    listed <- paste(sprintf("'%s'", again), collapse = ", ")
    warn(sprintf("Columns of the same name are replaced (%s): %s.", length(again), listed))
  }
  vctrs::vec_cbind(tibble::as_tibble(newdata)[setdiff(names(newdata), again)], found, .name_repair = "minimal")
}

#' Code a corpus
#'
#' Makes a table of codings, by the model as their coder. With `path` the coded corpus goes to files, and a corpus that
#' is itself a file never passes through R, however large it is.
#'
#' @param model A model from [at_tune()] or [at_load()].
#' @param corpus A data frame, a character vector, or the path of a file.
#' @param unit_id,text The columns with the identifier and the text.
#' @param path Where to write the corpus with its codes: .dta, .rds, .parquet, .csv, .sav, .xlsx; one or several.
#' @param coder One of the coders whom the model was tuned with (`coders` of [at_tune()]): what that one would say, in place
#'   of what any one of them would.
#' @param out A folder for the codes of very many texts: `corpus` is then a file, a folder or a pattern such as
#'   `"tweets/*.parquet"`, and `model` a model, the path of one, or several paths. A run that was stopped goes on where it
#'   was when the same is called again; see [at_status()].
#' @param on Where very many texts are coded: `"local"`, in processes of this machine; `"ray"` or `"slurm"`.
#' @param workers Processes at a time; by default as many as there is room for.
#' @param shard `c(3, 100)` for only the third of a hundred parts, as a scheduler asks each of its jobs to do.
#' @param covariates Columns of very many texts that are kept beside their codes.
#' @param base,codebook A decoder that codes very many texts by the codebook alone, as [at_zero_shot()] does; beside
#'   `model`, or in its place where that is `NULL`.
#' @param threads Of each worker; by default the processor's, shared out.
#' @param rows_per_shard Files with more rows are several shards: 100,000 by default.
#' @param probabilities Whether the probability of every label is kept for very many texts.
#' @param evidence Whether the passage of each text that decided is handed out, with its share in the decision: columns
#'   `evidence`, `evidence_share`, `evidence_start` and `evidence_end` (characters, the first from 0 and the one after the
#'   last). Of a text that is read at once that is the whole text, with a share of 1.
#' @param device Of very many texts: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
#' @param dry_run Whether to code nothing, and to say what all of it takes.
#' @param price_per_hour Of the machine, for that forecast.
#' @param ... How many GPUs are used here (`gpus = 2`), or what a cluster is asked for, such as `partition = "gpu"`; see
#'   the page on many texts.
#' @inheritParams predict.at_model
#' @return A tibble with a row per text (per label given, for a multi-label variable): unit_id, variable, coder, label,
#'   prob, status, and `p_<label>` for each label. With `path`: how many texts got each label. With `out`: how far it is,
#'   as [at_status()] says it.
#' @examplesIf at_available(tuning = TRUE)
#' data <- at_demo(n = 60, n_coded = 40)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' model <- at_tune(data$corpus, gold, data$codebook, method = "probe", folds = 2, n_boot = 0)
#' at_classify(model, data$corpus)
#' @export
at_classify <- function(model, corpus, unit_id = "unit_id", text = "text", path = NULL,
                        precision = c("float32", "bfloat16", "exact", "auto"), coder = NULL, out = NULL, on = "local",
                        workers = NULL, shard = NULL, covariates = NULL, base = NULL, codebook = NULL, threads = NULL,
                        rows_per_shard = NULL, probabilities = TRUE, evidence = FALSE, device = "auto",
                        dry_run = FALSE, price_per_hour = NULL, ...) {
  precision <- match.arg(precision)
  if (!is.null(out)) {
    if (!is.null(coder)) abort("`coder` is for texts in one table or file.", "Leave out `out`.")
    return(code_folder(
      model, corpus, as_path(out), unit_id = unit_id, text = text, precision = precision, on = on, workers = workers,
      shard = shard, covariates = covariates, base = as_path(base), codebook = codebook, threads = threads,
      rows_per_shard = rows_per_shard, probabilities = probabilities, evidence = evidence, device = device,
      dry_run = dry_run, price_per_hour = price_per_hour, ...
    ))
  }
  require_model(model)
  if (is.null(path)) {
    sent <- corpus_to_python(corpus, unit_id, text, read_beside(model))
    return(at_call(
      "classify",
      model = model, corpus = sent, precision = precision, say = passing(), evidence = evidence,
      coder = coder
    ))
  }
  sent <- if (is.data.frame(corpus)) frame_to_python(corpus, ids = unit_id, whole = TRUE) else as_path(corpus)
  at_call(
    "code_files",
    model = model, corpus = sent, unit_id = unit_id, text = text, paths = several(as_path(path)), precision = precision,
    say = passing(), evidence = evidence, coder = coder
  )
}

# The columns that a model reads beside the text.
read_beside <- function(model) {
  settings <- model$card$settings
  as.character(unlist(c(setdiff(unlist(settings$text), "text"), settings$target, settings$inputs)))
}

# Says in passing what was decided on the way, where progress is shown.
passing <- function() if (show_progress()) function(sentence) cli::cli_inform(c(i = "{sentence}"))

# What is coded into a folder never passes through R.
code_folder <- function(model, path, out, ...) {
  if (!is.character(path)) abort("Very many texts are read from files.", "Give the path of a file or a folder.")
  if (!is.null(model) && !is.character(model)) require_model(model)
  sent <- if (is.character(model)) several(as_path(model)) else model
  at_call(
    "code_folder",
    model = sent, path = several(as_path(path)), out = out, library_path = own_library_path(), ...
  )
}

#' @export
print.at_run_status <- function(x, ...) {
  say(x$words)
  failed <- x$shards[x$shards$state == "failed", ]
  if (nrow(failed)) say(paste0(failed$shard, ": ", failed$why))
  if (nrow(x$labels)) print(x$labels)
  if (length(x$notes)) say(unlist(x$notes))
  invisible(x)
}

#' @export
print.at_forecast <- function(x, ...) {
  say(x$words)
  invisible(x)
}

# Only what is needed crosses; a file crosses as its path.
corpus_to_python <- function(corpus, unit_id = "unit_id", text = "text", more = NULL) {
  if (is_path(corpus)) {
    return(structure(list(.r = "corpus", path = as_path(corpus), unit_id = unit_id, text = text), class = "at_sent"))
  }
  if (is.character(corpus)) corpus <- texts_as_corpus(corpus, unit_id, text)
  require_columns(corpus, c(unit_id, text, more), "The corpus")
  sent <- texts_only(corpus, unit_id, text, more)
  names(sent)[1:2] <- c("unit_id", "text")
  frame_to_python(sent)
}

#' Keep a model, and bring it back
#'
#' A model lives in the Python of one R session. `at_save()` keeps it in a folder; what it returns knows its folder, and
#' is read again by itself when it is used in another session (from an .RData file, say). `at_load()` checks that the
#' model still gives the probabilities that it was saved with.
#'
#' @param model A model from [at_tune()].
#' @param path A folder; to load, also `"hf://user/name@commit"`, the address of a model that [at_share()] put into a
#'   repository of the Hugging Face hub. Of that, files are fetched that its card names, and no code is run.
#' @param device Where to run it: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
#' @return The model; `at_save()` returns it invisibly.
#' @examplesIf at_available(tuning = TRUE)
#' data <- at_demo(n = 60, n_coded = 40)
#' gold <- at_resolve(at_codings(data$coders["anna"], data$codebook))
#' model <- at_tune(data$corpus, gold, data$codebook, method = "probe", folds = 2, n_boot = 0)
#' folder <- file.path(tempdir(), "model")
#' at_save(model, folder)
#' at_load(folder)
#' @export
at_save <- function(model, path) {
  require_model(model)
  at_call("save", model = model, folder = as_path(path))
  model$path <- normalizePath(path)
  invisible(model)
}

#' @rdname at_save
#' @export
at_load <- function(path, device = "auto") {
  model <- at_call("load", path = as_path(path), device = device)
  model$path <- if (startsWith(path, "hf:")) path else normalizePath(path)
  model
}

require_model <- function(model) {
  if (!inherits(model, "at_model")) {
    what <- sprintf("An object of class '%s' is no model.", class(model)[1])
    abort(what, "Give what at_tune() or at_load() returned.")
  }
}

model_from_python <- function(x) {
  structure(
    list(
      object = x$object, name = x$name, labels = as.character(unlist(x$labels)), card = from_python(x$card),
      codebook = structure(list(name = "", language = "en", variables = list(variable_from_python(x$variable))),
        class = "at_codebook"
      ),
      evaluation = from_python(x$evaluation), held_out = from_python(x$held_out),
      coder_scores = from_python(x$coder_scores), inputs = NULL, path = NULL
    ),
    class = "at_model"
  )
}

# Other results that stay in Python are made again, not read again.
live_pointer <- function(result) {
  if (reticulate::py_is_null_xptr(result$object)) {
    abort("The result outlived the R session that it was made in.", "Make it again; its tables are still in it.")
  }
  result$object
}

# The object in Python; one of a session that has ended is read again from where it was saved.
model_pointer <- function(model) {
  if (!reticulate::py_is_null_xptr(model$object)) {
    return(model$object)
  }
  if (is.null(model$path) || !dir.exists(model$path)) {
    abort(
      sprintf("The model %s outlived the R session that it was tuned in.", model$name),
      if (is.null(model$path)) {
        "Read it with at_load() from where at_save() kept it, or tune it again."
      } else {
        sprintf("It was saved to %s, which is not there any more.", model$path)
      }
    )
  }
  if (is.null(the$again[[model$path]])) {
    cli::cli_inform(c(i = "The model {model$name} is of another session, and is read again from {.file {model$path}}."))
    the$again[[model$path]] <- at_load(model$path)
  }
  again <- the$again[[model$path]]
  if (!identical(again$card$model_sha256, model$card$model_sha256)) {
    abort(sprintf("%s holds another model now.", model$path), "Load the one you want with at_load().")
  }
  again$object
}

#' @export
print.at_model <- function(x, ...) {
  entry <- x$codebook$variables[[1]]
  say(sprintf("A model for %s (%s): %s", entry$name, entry$kind, x$name))
  say(paste("Labels:", toString(x$labels)))
  if (!is.null(x$path)) say(paste("Saved in", x$path))
  if (is.null(x$evaluation)) say("Nothing was held out to measure it on.")
  else print(x$evaluation)
  if (!is.null(x$coder_scores)) say(coders_in_words(x$coder_scores))
  invisible(x)
}

# Whether single coders' own answers are foreseen better by what each would say, and for whom that is offered.
coders_in_words <- function(scores) {
  all <- scores[is.na(scores$coder), ]
  offered <- scores$coder[scores$offered & !is.na(scores$coder)]
  measured <- sprintf(
    "Log score of coders' own answers: %.3f by what any coder would say, %.3f by what each would (%+.3f, %+.3f to %+.3f",
    all$log_score, all$log_score_as_coder, all$gain, all$ci_low, all$ci_high
  )
  whom <- "Single coders are not offered"
  if (length(offered)) whom <- paste("at_classify(coder = ) says it for", toString(offered))
  paste0(measured, "; lower is better). ", whom, ".")
}

#' @export
summary.at_model <- function(object, ...) {
  print(object)
  if (!is.null(object$evaluation)) print(summary(object$evaluation))
  card <- object$card
  tuned <- "Base: %s; tuned on %s coded texts in %s seconds."
  say(sprintf(tuned, card$base$name, format(card$parts$coded, big.mark = ","), card$time$seconds))
  if (!is.null(object$coder_scores)) {
    say("Each coder's own answers, by what any coder and by what this coder would say (log scores, lower is better):")
    print(object$coder_scores)
  }
  invisible(object)
}

#' Tidy summaries
#'
#' `tidy()` gives a row per term or measure (regressions have the column names of broom), `glance()` one row for all.
#'
#' @param x A model from [at_tune()], an evaluation from [at_evaluate()], a table from [at_reliability()], or a result
#'   such as those of [at_reliability_regression()], [at_correct()] and [at_compare()].
#' @param ... Not used.
#' @return A tibble.
#' @examplesIf at_available()
#' found <- at_evaluate(truth = c("a", "a", "b"), predicted = c("a", "b", "b"), n_boot = 0)
#' glance(found)
#' @name tidiers
NULL

#' @rdname tidiers
#' @export
tidy.at_model <- function(x, ...) tidy(require_evaluation(x))

#' @rdname tidiers
#' @export
glance.at_model <- function(x, ...) {
  parts <- tibble::tibble(base = x$card$base$name, n_coded = x$card$parts$coded, seconds = x$card$time$seconds)
  vctrs::vec_cbind(glance(require_evaluation(x)), parts)
}

require_evaluation <- function(model) {
  if (is.null(model$evaluation)) {
    abort("Nothing was held out to measure this model on.", "Tune it with `test` or `folds`.")
  }
  model$evaluation
}

#' @export
plot.at_model <- function(x, ...) plot(require_evaluation(x), ...)
