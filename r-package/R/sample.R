#' Draw texts for coding
#'
#' Which texts are to be coded, each drawn with a known probability, and by whom. A second call with the same `store` draws
#' a further wave among the texts that are left.
#'
#' @param corpus A data frame with a row per text, or the path of a file. Empty texts cannot be drawn.
#' @param n How many texts; with `design = "cluster"` how many clusters.
#' @param design `"simple"`: all texts with the same probability. `"stratified"`: a fixed number from each stratum.
#'   `"cluster"`: whole documents. `"active"`: with probabilities proportional to how much a text matters.
#' @param strata,allocation Columns whose values make strata (or a variable of `predictions`); and how many texts of each
#'   are drawn: `"proportional"` to its size, `"equal"`, or `"neyman"`, by size and how unsure predictions are there.
#' @param cluster,pps The column with each text's document, and whether these are drawn with probabilities proportional to
#'   their numbers of texts.
#' @param for_,scores,floor What an active draw is for: `"tuning"`, `"share"`, a label's share such as
#'   `"topic == 'Health'"`, or a formula's coefficients, `topic == "Health" ~ party`; or a column of the corpus with
#'   scores. `floor`: the lowest probability, as a part of that of a simple draw.
#' @param predictions,variable What a model says about the texts: the `data` of [at_crossfit()], or a table of codings
#'   (with `codebook`); and which variable, where there are several.
#' @param poisson Whether each text is drawn by itself, so that their number is `n` on average.
#' @param coders,overlap Who codes, and the share of texts that two of them code.
#' @param blind,two,decoy The share of each coder's texts that is coded without seeing a model's proposal; with those of two
#'   models in random order; and with a label that no model proposed, and later again without (see [at_code()]).
#' @param store The study's store (`.annotune`), where the wave is recorded; made where there is none.
#' @param earlier Draws of earlier waves where there is no store: their `draws`, or the path of a table.
#' @param write,codebook A coding sheet for each coder, `"coding_sheet.xlsx"`, with drop-downs of the codebook's labels. A
#'   file that is there is never written over.
#' @param show,before,after Further columns that coders see, and those with the text before and after.
#' @param seed Of every draw.
#' @inheritParams at_tune
#' @return An object of class `at_draw`: a list with `texts` (those drawn), `draws` (every text that could be drawn, with
#'   its `pi`; [at_attach()] and [at_crossfit()] take it), `assignments` (who codes what), `wave` and `files`.
#' @references Zrnic, T. and Candes, E. J. (2024). Active statistical inference. *ICML*.
#' @examplesIf at_available()
#' corpus <- data.frame(unit_id = 1:100, text = "Why?", party = rep(c("A", "B"), 50))
#' at_sample(
#'   corpus, 20,
#'   design = "stratified", strata = "party", coders = c("anna", "ben"), overlap = 0.2
#' )
#' @export
at_sample <- function(corpus, n, design = c("simple", "stratified", "cluster", "active"), strata = NULL,
                      allocation = c("proportional", "equal", "neyman"), cluster = NULL, pps = TRUE, for_ = NULL,
                      scores = NULL, floor = NULL, predictions = NULL, variable = NULL, poisson = FALSE, coders = NULL,
                      overlap = 0, blind = 0, two = 0, decoy = 0, store = NULL, earlier = NULL, write = NULL, codebook = NULL, show = NULL,
                      before = NULL, after = NULL, seed = 1, unit_id = "unit_id", text = "text") {
  corpus <- whole_corpus(corpus, unit_id, text)
  own <- if (is.null(predictions)) strata else intersect(strata, names(corpus))
  beside <- c(own, cluster, scores, show, before, after)
  require_columns(corpus, beside, "The corpus")
  at_call(
    "sample",
    corpus = frame_to_python(texts_only(corpus, "unit_id", "text", beside)), n = n, design = match.arg(design),
    strata = several(strata), allocation = match.arg(allocation), cluster = cluster, pps = pps,
    for_ = if (!is.null(for_)) formula_text(for_), scores = scores, floor = floor,
    predictions = if (!is.null(predictions)) usable_columns(predictions), variable = variable, poisson = poisson,
    coders = several(coders), overlap = overlap, blind = blind, two = two, decoy = decoy,
    store = as_path(store), earlier = draws_to_python(earlier),
    write = as_path(write), codebook = codebook, show = several(show), before = before, after = after, seed = seed
  )
}

# A table of draws, or the path of one or of a store.
draws_to_python <- function(draws) {
  if (inherits(draws, "at_draw")) draws <- draws$draws
  if (is.data.frame(draws)) frame_to_python(draws) else as_path(draws)
}

#' @export
print.at_draw <- function(x, ...) {
  pi <- format(range(x$draws$pi), digits = 3, trim = TRUE)
  sizes <- format(c(nrow(x$texts), nrow(x$draws)), big.mark = ",", trim = TRUE)
  chance <- paste(unique(pi), collapse = " to ")
  what <- "Wave %d: %s %s drawn from %s, with probabilities of %s."
  say(sprintf(what, x$wave, sizes[1], if (nrow(x$texts) == 1) "text" else "texts", sizes[2], chance))
  work <- x$assignments
  if (nrow(work)) {
    shared <- work$unit_id %in% work$unit_id[duplicated(work$unit_id)]
    people <- unique(work$coder)
    count <- function(mine) vapply(people, function(coder) sum(mine & work$coder == coder), 0L)
    blind <- count(work$arm == "blind")
    print_brief(tibble::tibble(coder = people, texts = count(TRUE), shared = count(shared), blind = blind))
  }
  if (length(x$files)) say(paste("Coding sheets:", toString(unlist(x$files))))
  invisible(x)
}

#' Coding sheets of what is still to be coded
#'
#' [at_sample()] writes sheets with the draw; this does so later, for texts that were drawn without sheets, and again for
#' what is left when some sheets came back and were recorded.
#'
#' @param store The study's store (`.annotune`), in which texts were drawn.
#' @param corpus A data frame with the texts, or the path of a file with them.
#' @param write `coding_sheet.xlsx` becomes coding_sheet_anna.xlsx for the coder anna, with her texts that have no answer
#'   of hers; where texts were drawn for nobody in particular it is one sheet. A file that is there is never written over.
#' @param codebook What is coded, from [at_codebook()]; by default the store's, in its last version.
#' @param coders For whom; by default for everybody with texts left.
#' @param show,before,after Further columns of the corpus that coders see, and those with the text before and after; by
#'   default as in the last draw.
#' @param unit_id,text The columns with the identifier and the text.
#' @return The paths of the sheets, named by their coders, invisibly.
#' @examplesIf at_available()
#' store <- tempfile(fileext = ".annotune")
#' corpus <- data.frame(unit_id = letters[1:4], text = "...")
#' draw <- at_sample(corpus, 3, store = store, coders = "anna")
#' codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
#' basename(at_sheets(store, corpus, tempfile("sheet", fileext = ".csv"), codebook))
#' @export
at_sheets <- function(store, corpus, write, codebook = NULL, coders = NULL, show = NULL, before = NULL, after = NULL,
                      unit_id = "unit_id", text = "text") {
  corpus <- whole_corpus(corpus, unit_id, text)
  paths <- at_call(
    "sheets",
    store = as_path(store), corpus = frame_to_python(corpus), write = as_path(write), codebook = codebook,
    coders = several(coders), show = if (!is.null(show)) several(show), before = before, after = after
  )
  invisible(unlist(paths))
}

#' Put what people coded into the study's store
#'
#' Returned coding sheets, or any other table of people's codings. An answer that is there already is not recorded twice;
#' one that has changed is added, and the last one holds. Empty cells are not yet coded.
#'
#' @param store The study's store (`.annotune`), in which the texts were drawn.
#' @param codings The path of a sheet, several of them, or a table of codings, from [at_codings()].
#' @param codebook Says which labels there are; by default that of the draw.
#' @return A tibble with a row per coder: `coder`, `new`, `changed` and `same` answers, and `open`, the texts that are
#'   still to be coded. [at_codings()] reads the store's codings.
#' @examplesIf at_available()
#' store <- tempfile(fileext = ".annotune")
#' corpus <- data.frame(unit_id = letters[1:4], text = "...")
#' draw <- at_sample(corpus, 4, store = store, coders = "anna")
#' said <- data.frame(unit_id = c("a", "b"), coder = "anna", label = c("yes", "no"))
#' at_record(store, at_codings(said, variable = "agree"))
#' at_codings(store)
#' @export
at_record <- function(store, codings, codebook = NULL) {
  sent <- if (is.data.frame(codings)) codings_to_python(codings) else several(as_path(codings))
  at_call("record", store = as_path(store), codings = sent, codebook = codebook)
}

#' Which texts were drawn, and who codes them
#'
#' @param path A study's store (`.annotune`), or a table of draws that was written from one.
#' @param of `"texts"`, or `"people"`: who is to code which text (of a store).
#' @return A tibble. Of texts a row per wave and text that the wave could have drawn: `unit_id`, `wave`, `pi`, `drawn`,
#'   `stratum`, `cluster`. Of people a row per wave, text and coder: `unit_id`, `wave`, `coder`, `place`, `arm`
#'   (`"open"`, or `"blind"`: without proposals), `answered`.
#' @examplesIf at_available()
#' store <- tempfile(fileext = ".annotune")
#' corpus <- data.frame(unit_id = 1:10, text = "...")
#' draw <- at_sample(corpus, 4, store = store, coders = c("anna", "ben"))
#' at_draws(store)
#' at_draws(store, of = "people")
#' @export
at_draws <- function(path, of = c("texts", "people")) at_call("read_draws", path = as_path(path), of = match.arg(of))
