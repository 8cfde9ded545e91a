"""V5420: the frame rate of videos, as the processors of Qwen-VL and others are told it."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import processor_classes
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_FPS, _VIDEOS, _METADATA = "fps", "videos", "video_metadata"

#: The function of `qwen_vl_utils` that gives `{"fps": [...], "do_sample_frames": False}` as its third result.
_READS = "process_vision_info"
_MODULE = "qwen_vl_utils"
_ASKED, _WITH_METADATA = "return_video_kwargs", "return_video_metadata"

#: The processor that makes positions in time of the frame rate.
_TIMED = "Qwen2_5_VLProcessor"

_SINCE = "since transformers 5.0"
_INSTEAD = '`video_metadata=[{"fps": 2.0, "total_num_frames": len(video)}]`'


class VideoFrameRate(Rule):
    """The frame rate of videos, given to a processor as a list, or to Qwen2.5-VL as `fps=`.

    ## What it does

    Finds a list for `fps=` in calls with `videos=`; the `**video_kwargs` that `process_vision_info(...,
    return_video_kwargs=True)` of `qwen_vl_utils` gives, which hold one; and calls of a `Qwen2_5_VLProcessor` with
    `videos=` and without `video_metadata=`, in a module that speaks of videos.

    ## Why it breaks

    A frame rate is one number since 5.0, for all videos. Measured on 5.0.0, 5.4.0, 5.15.0 and 5.24.0, with pictures
    alone too, for which the list is empty:

        StrictDataclassFieldValidationError: Validation error for field 'fps':
            TypeError: Field 'fps' with value [2.0] doesn't match any type in (<class 'int'>, <class 'float'>, ...

    And Qwen2.5-VL no longer makes its positions in time of it, without a word: it reads the metadata, and takes 24
    frames a second where there are none. `second_per_grid_ts` of a video that was sampled at 2 frames a second is
    0.083 in place of 1.0, whether `fps=2.0` is given or nothing.

    ## Example

        inputs = processor(text=texts, videos=[video], fps=[2.0], return_tensors="pt")

    is to be

        inputs = processor(
            text=texts,
            videos=[video],
            video_metadata=[{"fps": 2.0, "total_num_frames": len(video)}],
            do_sample_frames=False,
            return_tensors="pt",
        )

    and `process_vision_info(messages, return_video_kwargs=True, return_video_metadata=True)` gives pairs of a video and
    its metadata, and `video_kwargs` without `fps`.

    ## Fix safety

    There is no fix: how many frames a second there are is known when a video is read.

    ## References

    - https://github.com/QwenLM/Qwen3-VL/tree/main/qwen-vl-utils
    """

    code = "V5420"
    name = "video-frame-rate"
    since = "5.0"
    tokens = (_VIDEOS, _READS)
    beside = ("transformers", _READS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        seen: set[ast.Call] = set()
        for node in _splats(module):
            around = module.tree.parents[module.tree.parents[node]]
            assert isinstance(around, ast.Call)
            seen.add(around)
            if not module.guards.is_dead(around):
                text = f"`{module.source(node)}` holds a list for `{_FPS}`, which processors refuse {_SINCE}"
                yield module.finding(node, f"{text}: ask `{_READS}` for `{_WITH_METADATA}=True` as well")
        for call, _ in module.keywords({_VIDEOS}):
            if call.node in seen or module.guards.is_ready(call.node):
                continue
            rate = call.keyword(_FPS)
            names, _is_sure = processor_classes.classes(module, call.func)
            if rate is not None and names and isinstance(rate.value, (ast.List, ast.Tuple, ast.ListComp)):
                yield module.finding(rate, f"processors refuse a list for `{_FPS}=` {_SINCE}: give {_INSTEAD}")
            elif names == {_TIMED} and not call.is_open and call.keyword(_METADATA) is None and _has_videos(call):
                text = f"`{_TIMED}` takes 24 frames a second {_SINCE} where no `{_METADATA}=` says how many there are"
                given = f", whatever `{_FPS}=` says" if rate is not None else " (it was 2)"
                yield module.finding(call.node, f"{text}{given}: give {_INSTEAD}")


def _splats(view: ModuleView) -> Iterator[ast.Name]:
    """The places where what `process_vision_info` says about videos is handed to a call, with the list in it."""
    for node in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(node, ast.Assign)
        target, value = node.targets[0], node.value
        if not isinstance(value, ast.Call) or not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != 3:
            continue
        if not _gives_rates(view, value) or not isinstance(target.elts[2], ast.Name):
            continue
        name = target.elts[2].id
        around = view.links.function_around(node)
        same = [
            each
            for each in view.tree.nodes.get(ast.Name, ())
            if isinstance(each, ast.Name) and each.id == name and view.links.function_around(each) is around
        ]
        if any(_takes_out(view, each) for each in same):
            continue
        for each in same:
            keyword = view.tree.parents[each]
            if isinstance(keyword, ast.keyword) and keyword.arg is None and isinstance(each.ctx, ast.Load):
                call = view.tree.parents[keyword]
                if isinstance(call, ast.Call) and CallSite(view, call).keyword(_VIDEOS) is not None:
                    yield each


def _gives_rates(view: ModuleView, call: ast.Call) -> bool:
    site = CallSite(view, call)
    asked = site.keyword(_ASKED)
    if asked is None or Constant(True) not in view.values(asked.value) or site.keyword(_WITH_METADATA) is not None:
        return False
    return any(
        isinstance(each, External) and each.package == _MODULE and each.name == _READS
        for each in view.values(call.func)
    )


def _takes_out(view: ModuleView, name: ast.Name) -> bool:
    """Whether a dict loses the list: `video_kwargs["fps"] = ...`, `video_kwargs.pop("fps")`, `del`."""
    parent = view.tree.parents[name]
    if isinstance(parent, ast.Subscript) and parent.value is name and not isinstance(parent.ctx, ast.Load):
        return True
    return isinstance(parent, ast.Attribute) and parent.attr in ("pop", "update", "clear")


def _has_videos(call: CallSite) -> bool:
    """Whether a call is given videos: the module speaks of them, and not of a parameter alone that may be None."""
    videos = call.keyword(_VIDEOS)
    assert videos is not None
    if call.view.values(videos.value) == frozenset({Constant(None)}):
        return False
    if isinstance(videos.value, (ast.List, ast.ListComp)):
        return True
    constants = call.view.tree.nodes.get(ast.Constant, ())
    return any(isinstance(each, ast.Constant) and each.value == "video" for each in constants)
