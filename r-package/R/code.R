#' Code texts on a page in the browser
#'
#' Opens the page on which people code: each coder has a link, the codebook beside the text, and every answer in the study's
#' store before the page says so. It offers the texts that [at_sample()] drew; where nothing was drawn, all of them in a
#' random order. The page runs as a process of its own, so that R stays free with `wait = FALSE`.
#'
#' @param study A `study.yaml`, of which corpus, codebook and coders are taken, or a study's store (`.annotune`), made where
#'   there is none.
#' @param corpus,codebook The texts, and what is coded of them; not with a `study.yaml`.
#' @param coders Who codes: those among whom texts were divided when left out.
#' @param adjudicator Somebody who settles what coders see differently, a coder like any other.
#' @param show,before,after,document,mark Columns that are shown beside the text, those with the text before and after it,
#'   with its document, and with a passage that is marked.
#' @param network Whether other machines in the local network can reach the page, unencrypted; links then end after `hours`.
#' @param host The address to listen on, where it is another than these.
#' @param seed Of the random order, where nothing was drawn.
#' @param port By default 8470, or the next that is free.
#' @param hours After how many links end on the network: 12.
#' @param browser Whether the first coder's link is opened.
#' @param wait Whether to wait until it is interrupted (Esc, or Ctrl-C).
#' @param offline A folder: nothing is served, and a page that needs no server is written for each coder. [at_record()] takes
#'   in what is exported there.
#' @param page What `at_code(wait = FALSE)` returned.
#' @inheritParams at_tune
#' @return With `wait = TRUE`, and from `at_code_stop()`, a table of what people coded. With `wait = FALSE` an object of class
#'   `at_page`: a list with `links`, an address for each person, and `process`. With `offline` the files' paths.
#' @examplesIf at_available()
#' corpus <- data.frame(unit_id = c("a", "b"), text = c("More nurses!", "The court has ruled."))
#' codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
#' store <- tempfile(fileext = ".annotune")
#' at_code(store, corpus, codebook, coders = "anna", offline = tempfile())
#' @export
at_code <- function(study, corpus = NULL, codebook = NULL, coders = NULL, adjudicator = NULL, show = NULL, before = NULL,
                    after = NULL, document = NULL, mark = NULL, network = FALSE, host = NULL, port = NULL, hours = NULL,
                    browser = interactive(), wait = interactive(), offline = NULL, seed = 1, unit_id = "unit_id",
                    text = "text") {
  sent <- if (!is.null(corpus)) {
    corpus <- whole_corpus(corpus, unit_id, text)
    beside <- c(show, before, after, document, mark)
    require_columns(corpus, beside, "The corpus")
    frame_to_python(texts_only(corpus, "unit_id", "text", beside))
  }
  shared <- list(
    study = as_path(study), corpus = sent, codebook = codebook, coders = several(coders), show = several(show),
    before = before, after = after, document = document, mark = mark, seed = seed
  )
  more <- list(adjudicator = adjudicator, network = network, host = host, port = port, hours = hours)
  if (!is.null(offline)) {
    return(unlist(do.call(at_call, c("code", shared, more, list(offline = as_path(offline))))))
  }
  more$library_path <- own_library_path()
  page <- structure(do.call(at_call, c("code_start", shared, more)), class = "at_page")
  print(page)
  if (browser) utils::browseURL(page$links[[1]])
  if (!wait) {
    return(invisible(page))
  }
  say("Stop with Esc or Ctrl-C; what is coded is kept.")
  tryCatch(
    while (at_call("code_is_served", process = page$process)) Sys.sleep(0.5),
    interrupt = function(condition) NULL
  )
  at_code_stop(page)
}

#' @rdname at_code
#' @export
at_code_stop <- function(page) at_call("code_stop", process = page$process)

#' @export
print.at_page <- function(x, ...) {
  say("The coding page. Each link is for one person:")
  for (name in names(x$links)) say(sprintf("  %s  %s", name, x$links[[name]]))
  invisible(x)
}

#' Definitions that coders sharpened
#'
#' A coder can define a label more sharply on the page ([at_code()]). That is a new version of the codebook in the study's
#' store, with who and why; here it comes back into the codebook's file.
#'
#' @param store The study's store (`.annotune`).
#' @param file The codebook's file, which is compared with what is coded with.
#' @param update Whether definitions that the file lacks are put into it (`.yaml`), where they belong; comments, order and
#'   all else stay as they are. Each version's author, date and reason are added as comments at its end.
#' @return A data frame with a row per version and label that it defines otherwise: `version`, `at`, `author` (empty where
#'   a file was brought in), `reason`, `variable`, `label`, `was`, `definition`, and `in_file`, whether the file defines the
#'   label so (`NA` without one).
#' @examplesIf at_available()
#' store <- tempfile(fileext = ".annotune")
#' codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
#' draw <- at_sample(data.frame(unit_id = 1:9, text = "Why?"), 5, store = store, codebook = codebook)
#' at_definitions(store)
#' @export
at_definitions <- function(store, file = NULL, update = FALSE) {
  at_call("definitions", store = as_path(store), file = if (!is.null(file)) as_path(file), update = update)
}
